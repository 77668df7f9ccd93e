"""A generator with styles, exported in two parts as StyleGAN2 exports them, and directions for it."""

import functools
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.arrays import Float64Array
from pipeline.gans.base import ExportSpec
from pipeline.serving.onnx.graph_export import export
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.directions import FILE, Direction, Directions, identity
from tests.serving.conftest import describe

LAYERS, WIDTH, LATENT = 3, 4, 6
CLASSES = ("a", "b", "c", "3:1", "e")


class Synthesis(nn.Module):
    """w [B, 3, 4] -> images [B, 1, 8, 8]; every layer paints its own part."""

    def __init__(self) -> None:
        super().__init__()
        self.paint = nn.ModuleList(nn.Linear(WIDTH, 64) for _ in range(LAYERS))

    def forward(self, w: Tensor) -> Tensor:
        painted = [paint(w[:, k]) for k, paint in enumerate(self.paint)]
        return torch.stack(painted).sum(dim=0).tanh().reshape(-1, 1, 8, 8)


class StyleGenerator(nn.Module):
    """z [B, 6], psi [B] and label [B] -> images [B, 1, 8, 8] and w [B, 3, 4]."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.style, self.synthesis = (
            nn.Embedding(len(CLASSES), LATENT),
            nn.Linear(LATENT, WIDTH),
            Synthesis(),
        )

    def forward(self, z: Tensor, psi: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        w = (self.style(z + self.embed(label)).tanh() * psi[:, None])[:, None].expand(-1, LAYERS, -1)
        return self.synthesis(w), w


def export_pair(folder: Path) -> Path:
    """Write generator.onnx, synthesis.onnx and directions.json; return the first."""
    for name, content in exported().items():
        (folder / f"{name}.onnx").write_bytes(content)
    write_directions(folder, describe_pair(), "w", 0.5 * np.eye(WIDTH)[:2])
    return folder / "generator.onnx"


def describe_pair() -> Metadata:
    """Return the metadata of both graphs."""
    return describe(variant="stylegan2", resolution=8, latent=LATENT, class_names=CLASSES)


@functools.cache
def exported() -> dict[str, bytes]:
    """Return the content of both graphs by name; they are exported once."""
    torch.manual_seed(8)
    network = StyleGenerator().eval()
    inputs = {"z": torch.zeros(2, LATENT), "psi": torch.ones(2), "label": torch.zeros(2, dtype=torch.int64)}
    w = {"w": torch.zeros(2, LAYERS, WIDTH)}
    specs = (
        ExportSpec("generator", network, inputs, ("images", "w")),
        ExportSpec("synthesis", network.synthesis, w, ("images",)),
    )
    with tempfile.TemporaryDirectory() as folder:
        for spec in specs:
            export(spec, Path(folder) / f"{spec.name}.onnx", describe_pair().pairs(), 20)
        return {path.stem: path.read_bytes() for path in Path(folder).iterdir()}


def write_directions(folder: Path, metadata: Metadata, space: str, vectors: Float64Array) -> Directions:
    """Write directions.json with the directions `slant` and `class-7`."""
    found = Directions.model_validate(
        {
            "model": identity(metadata),
            "space": space,
            "strengths": (-1.0, 0.0, 1.0),
            "samples": 64,
            "directions": [
                Direction(
                    name=name,
                    origin=name,
                    vector=tuple(map(float, vector)),
                    means={name: (0.0, 1.0, 2.0)},
                    main=name,
                    per_step={name: 0.8},
                    monotonic=True,
                    class_kept=None,
                )
                for name, vector in zip(("slant", "class-7"), vectors, strict=True)
            ],
        }
    )
    (folder / FILE).write_text(found.model_dump_json())
    return found
