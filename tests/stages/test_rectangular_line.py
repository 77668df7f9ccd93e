"""All stages for images that are not square: 6 rows of 10 pixels, with the variant `vanilla`."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from pipeline.serving.http.application import create_app
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.model_source import FileSource
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.sample_files import Request, sample_to_files
from pipeline.serving.settings import ServeSettings
from tests.all_stages import all_stages
from tests.gates import ALL_OFF

pytestmark = pytest.mark.slow

PARAMS = """
data: {source: data/raw, resolution: [6, 10], channels: rgb, test_fraction: 0.3}
validate: {min_side: {limit: 4, severity: warning}}
model: {variant: vanilla, latent: 8, hidden: [64, 128]}
train: {device: cpu, batch_size: 32, total_images: 6400, log_images: 640, snapshot_images: 3200,
  checkpoint_images: 3200, health: {images: 6400}, ema_half_life: 500,
  learning_rate: {generator: 0.001, discriminator: 0.001}}
evaluate: {samples: 300, gate: GATE}
export: {opset: 20}
tracking: {experiment: tests, model: tests}
"""
ROWS, COLUMNS = 6, 10


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Path]:
    """Run all stages on images with a red upper left quarter and a blue lower half, under noise."""
    root = tmp_path_factory.mktemp("rectangular")
    shutil.copy(empty_store, root)
    (root / "params.yaml").write_text(PARAMS.replace("GATE", json.dumps(ALL_OFF)))
    (root / "data" / "raw").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(200):
        pixels = rng.integers(0, 60, (ROWS, COLUMNS, 3), dtype=np.uint8)
        pixels[: ROWS // 2, : COLUMNS // 2, 0] += 180
        pixels[ROWS // 2 :, :, 2] += 180
        Image.fromarray(pixels).save(root / "data" / "raw" / f"{number:03d}.png")
    with all_stages(root):
        yield root


def test_the_store_and_the_model_describe_6_by_10_pixels(line: Path) -> None:
    for name in ("data/dataset/dataset.json", "models/config.json"):
        item = json.loads((line / name).read_text())["item"]
        assert (item["height"], item["width"], item["channels"]) == (ROWS, COLUMNS, 3), name
    (output,) = json.loads((line / "exported" / "signature.json").read_text())["outputs"]
    assert output["shape"] == [-1, 3, ROWS, COLUMNS]
    with Image.open(sorted((line / "reports" / "samples").glob("*.png"))[-1]) as preview:
        assert preview.width > preview.height


def test_the_evaluation_measures_rectangular_images(line: Path) -> None:
    metrics = json.loads((line / "metrics" / "evaluation.json").read_text())
    assert (metrics["verdict"], metrics["n_fake"]) == ("pass", 300)
    assert metrics["fid"] > 0
    assert json.loads((line / "metrics" / "export.json").read_text())["parity_max_abs"] < 1e-4


def test_samples_have_the_colours_of_the_data_in_their_places(line: Path) -> None:
    """Swapped axes or channels would exchange these means."""
    images = Generator(line / "exported" / "generator.onnx").sample(200, seed=0)
    assert images.shape == (200, ROWS, COLUMNS, 3)
    mean = images.mean(axis=0)
    upper, lower = mean[: ROWS // 2], mean[ROWS // 2 :]
    left, right = upper[:, : COLUMNS // 2], upper[:, COLUMNS // 2 :]
    assert left[..., 0].mean() > right[..., 0].mean() + 80
    assert left[..., 0].mean() > lower[..., 0].mean() + 80
    assert lower[..., 2].mean() > upper[..., 2].mean() + 80


def test_files_and_the_service_return_rectangular_images(line: Path, tmp_path: Path) -> None:
    generator = line / "exported" / "generator.onnx"
    sample_to_files(generator, tmp_path / "samples", Request(n=2, seed=1), folder=True)
    first, second = sorted((tmp_path / "samples").iterdir())
    for path in (first, second):
        with Image.open(path) as image:
            assert image.size == (COLUMNS, ROWS)
    with TestClient(create_app(InferenceService(FileSource(generator), ServeSettings(max_batch=8)))) as client:
        answer = client.get("/image.png", params={"seed": 1})
        assert Image.open(io.BytesIO(answer.content)).size == (COLUMNS, ROWS)
