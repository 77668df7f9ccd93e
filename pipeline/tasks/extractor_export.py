"""Export the feature extractor to ONNX, so that other runs can be evaluated in the same feature space."""

from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.evaluation.extractors.base import Extractor
from pipeline.gans.base import ExportSpec
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of
from pipeline.media.tensors import Tensors
from pipeline.serving.onnx import graph_export
from pipeline.tasks.base import EvaluationCase

EXPORTED = ("classifier", "contrastive", "random")
"""Extractors that are made from the data or the code; Inception and encoders are files already."""


class NetworkRange(nn.Module):
    """An extractor's network that takes values as generators return them: the default of evaluate.encoder."""

    def __init__(self, network: nn.Module, tensors: Tensors) -> None:
        super().__init__()
        self.network, self.tensors = network, tensors

    def forward(self, values: Tensor) -> Tensor:
        """Return features [n, d] of values [n, C, H, W]."""
        features: Tensor = self.network(self.tensors.network_to_features(values))
        return features


def keep_with_note(extractor: Extractor, case: EvaluationCase) -> list[str]:
    """Write the extractor of an evaluation as ONNX; return a note that names the file, none if it is one already."""
    file = keep_extractor(extractor, case.info.item, case.folders.extractors, case.opset)
    if file is None:
        return []
    return [
        f"the feature extractor is written to {file}; set evaluate.features to a copy of it to measure the same "
        "features on another machine"
    ]


def keep_extractor(extractor: Extractor, item: ItemSpec, folder: Path, opset: int) -> Path | None:
    """Write `folder`/fd_<name>_<sha8>.onnx unless it exists; return None if the extractor is a file already.

    As evaluate.features, the file measures the same features within 1e-4, without training a classifier.
    """
    if extractor.spec.name not in EXPORTED:
        return None
    path = folder / f"{extractor.spec.measure}.onnx"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        copy = deepcopy(extractor.network).cpu().to(memory_format=torch.contiguous_format)
        network = NetworkRange(copy, tensors_of(item))
        example = torch.zeros(2, item.network_channels, item.height, item.width)
        metadata = {f"ganline.{name}": str(value) for name, value in extractor.spec.model_dump().items()}
        part = path.with_suffix(".part")
        spec = ExportSpec("extractor", network, {"items": example}, ("features",))
        graph_export.export(graph_export.name_tensors(spec, item), part, metadata, opset)
        part.replace(path)
    return path
