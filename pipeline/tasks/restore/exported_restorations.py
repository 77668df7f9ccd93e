"""Restorations by an exported model, which show it next to another model."""

import numpy as np
import torch

from pipeline.arrays import Items, UInt8Array
from pipeline.media.image.degradations import upsample
from pipeline.tasks.base import EvaluationCase
from pipeline.tasks.exported_gan import ExportedGAN
from pipeline.tasks.exported_model import ExportedModel
from pipeline.tasks.restore.restoration_evaluation import crop_centre, read_image, restore

SHOWN = 12
"""Restorations that show a model."""


@torch.inference_mode()
def restore_some(model: ExportedModel, case: EvaluationCase) -> Items:
    """Return held-out images, degraded and enlarged, each followed by its restoration, [24, S, S, C].

    Raises:
        InputError: A graph is missing.
    """
    gan = ExportedGAN(model, case.gan)
    view = next(iter(gan.evaluation_views().values()))
    degradation, rng = case.tensors.degradation(**view.options), torch.Generator(case.device)
    rng.manual_seed(case.settings.seed)
    details: list[UInt8Array] = []
    for position in range(min(SHOWN, len(case.test))):
        low = degradation(read_image(case.test, position, gan.scale).to(case.device), rng)
        shown = upsample(low, gan.scale), restore(gan, low)
        details += [crop_centre(case.tensors.from_network(image)[0]) for image in shown]
    side = min(min(detail.shape[:2]) for detail in details)
    return np.stack([detail[:side, :side] for detail in details])
