"""All stages for 3D-GAN: files of several kinds, broken ones in quarantine, the gate on solids, and meshes."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.store import open_split
from pipeline.media.volume.binvox import write_binvox
from pipeline.media.volume.solids import CLASSES, draw_solid
from pipeline.serving.runtime.sample_files import Request, sample_to_files
from tests.all_stages import all_stages

pytestmark = pytest.mark.slow

PARAMS = """
data: {medium: volume, source: data/raw, resolution: 8}
validate: {max_error_share: {limit: 0.1, severity: critical}}
model: {variant: voxgan, latent: 8, generator_channels: 2, discriminator_channels: 2}
train: {device: cpu, batch_size: 8, total_images: 32, log_images: 8, health: {images: 32, samples: 64}}
evaluate: {samples: 50}
export: {allow_failed: true}
tracking: {experiment: tests, model: tests-voxgan}
"""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("volumes")
    (root / "params.yaml").write_text(PARAMS)
    for number in range(160):
        name = CLASSES[number % 2]
        folder = root / "data" / "raw" / name
        folder.mkdir(parents=True, exist_ok=True)
        solid = draw_solid(name, 16, np.random.default_rng(number))
        if number % 4 < 2:
            np.save(folder / f"{number}.npy", solid)
        else:
            (folder / f"{number}.binvox").write_bytes(write_binvox(solid))
    np.save(root / "data/raw/box/empty.npy", np.zeros((16, 16, 16), dtype=np.uint8))
    (root / "data/raw/box/broken.binvox").write_bytes(b"#binvox 1\ndim 2 2\ndata\n")
    with all_stages(root):
        yield root


def test_broken_and_empty_files_are_set_aside_by_name(line: Path) -> None:
    train = open_split(line / "data/dataset", line / "data/validated", "train")
    assert train.images([0]).shape == (1, 8, 8, 8)
    rows = (line / "data/validated/quarantine.csv").read_text()
    assert "box/broken.binvox" in rows
    assert "is not three sizes" in rows
    assert "box/empty.npy" in rows


def test_the_gate_measures_solids(line: Path) -> None:
    found = json.loads((line / "metrics" / "evaluation.json").read_text())
    assert (found["medium"], found["verdict"]) == ("volume", "fail")
    names = ("occupancy", "surface", "symmetry", "pieces", "floating", "dust", "cavities", "blank", "placement")
    assert all(np.isfinite(found[name]) for name in (*names, "shape_coverage", "shape_mmd", "shape_1nna"))
    assert "as_built" not in found or found["as_built"] is None
    assert "uint8=x > 0" in found["protocol"]
    assert "data-voxels=" in (line / "reports" / "evaluation.html").read_text()


def test_solids_are_written_as_meshes(line: Path, tmp_path: Path) -> None:
    for suffix in (".npy", ".binvox", ".stl", ".glb"):
        sample_to_files(
            line / "exported" / "generator.onnx", tmp_path / f"one{suffix}", Request(n=1, seed=1), folder=False
        )
        assert (tmp_path / f"one{suffix}").stat().st_size > 50
    assert "generates solids of 8 x 8 x 8 voxels" in (line / "exported" / "model_card.md").read_text()
