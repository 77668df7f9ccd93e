"""The features that evaluate.features names, but for the classifier, which is trained on labels."""

from pathlib import Path

import torch

from pipeline.evaluation.extractors.base import Extractor
from pipeline.evaluation.extractors.inception import fetched, inception
from pipeline.evaluation.extractors.onnx_encoder import encoder
from pipeline.evaluation.extractors.random_network import random_network
from pipeline.evaluation.settings import EvaluateSettings


def unlabelled(
    settings: EvaluateSettings, shape: tuple[int, ...], device: torch.device, cache: Path, root: Path
) -> Extractor:
    """For images of `shape` [H, W, C]: the random network for auto, Inception (fetched into `cache`), or a file named from `root`.

    Raises InputError where a file is missing or is none of these.
    """
    wanted = settings.features
    if wanted in ("auto", "random"):
        return random_network(shape[2], device)
    if wanted == "inception":
        return inception(fetched(cache), device)
    if wanted.endswith(".onnx"):
        return encoder(root / wanted, settings.encoder, shape)
    return inception(root / wanted, device)
