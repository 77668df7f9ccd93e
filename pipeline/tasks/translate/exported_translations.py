"""Translations by an exported model, which show it next to another model."""

import numpy as np
import torch

from pipeline.arrays import Items
from pipeline.data.domains import split_domains
from pipeline.tasks.base import EvaluationCase
from pipeline.tasks.exported_gan import ExportedGAN
from pipeline.tasks.exported_model import ExportedModel
from pipeline.tasks.translate.translations import shrink, to_network

SHOWN = 12
"""Translations that show a model."""


@torch.inference_mode()
def translate_some(model: ExportedModel, case: EvaluationCase) -> Items:
    """Return held-out items of the first direction's source, each followed by its translation, [24, H, W, C].

    Raises:
        InputError: A graph is missing.
    """
    gan = ExportedGAN(model, case.gan)
    name, direction = next(iter(gan.directions().items()))
    source = split_domains(case.test)[direction.source]
    inputs = source.images(np.linspace(0, len(source) - 1, min(SHOWN, len(source))).astype(np.int64))
    rng = torch.Generator().manual_seed(case.settings.seed)
    translated = case.tensors.from_network(gan.translate(to_network(inputs, source.item, case.device), name, rng))
    return np.stack([shrink(inputs), shrink(translated)], axis=1).reshape(-1, *shrink(inputs).shape[1:])
