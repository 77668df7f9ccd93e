"""The network that judged, kept as ONNX: to judge other samples in the same features, on any machine and in any later run."""

from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.evaluation.extractors.base import Extractor
from pipeline.gans.base import ExportSpec
from pipeline.serving.onnx import graph_export

KEPT = ("classifier", "random")  # what is made here; an Inception or an encoder is a file of the user's own already


class Signed(nn.Module):
    """An extractor's network for images in [-1, 1], which is what evaluate.encoder's defaults give it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.network(images * 127.5 + 127.5)
        return features


def keep(extractor: Extractor, shape: tuple[int, ...], folder: Path, opset: int) -> Path | None:
    """`folder`/fd_<name>_<sha8>.onnx for images of `shape` [H, W, C], written unless it is there; None where there is nothing to keep.

    Given as evaluate.features it measures the same features within 1e-4, without training the classifier again.
    """
    if extractor.spec.name not in KEPT:
        return None
    path = folder / f"{extractor.spec.measure}.onnx"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        network = Signed(deepcopy(extractor.network).cpu().to(memory_format=torch.contiguous_format))
        example = torch.zeros(2, shape[2], shape[0], shape[1])
        metadata = {f"ganline.{name}": str(value) for name, value in extractor.spec.model_dump().items()}
        part = path.with_suffix(".part")
        graph_export.export(ExportSpec("judge", network, {"images": example}, ("features",)), part, metadata, opset)
        part.replace(path)
    return path
