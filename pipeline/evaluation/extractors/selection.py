"""Open the feature extractor that evaluate.features names, except those that are trained on the data."""

from pathlib import Path

import torch

from pipeline.evaluation.extractors.base import Extractor
from pipeline.evaluation.extractors.inception import download_weights, open_inception
from pipeline.evaluation.extractors.onnx_encoder import open_encoder
from pipeline.evaluation.extractors.random_network import open_random_network
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.items import ItemSpec


def open_extractor(
    settings: EvaluateSettings, item: ItemSpec, device: torch.device, cache: Path, root: Path
) -> Extractor:
    """Open an extractor for these items: the random network if evaluate.features is auto.

    Args:
        cache: Folder that Inception weights are downloaded to.
        root: Folder that a relative path in evaluate.features starts from.

    Raises:
        InputError: A file is missing, cannot be used, or does not take such items.
    """
    name = settings.features
    if name in ("auto", "random"):
        return open_random_network(item, device)
    if name == "inception":
        return open_inception(download_weights(cache), item, device)
    if name.endswith(".onnx"):
        return open_encoder(root / name, settings.encoder, item, device)
    return open_inception(root / name, item, device)
