"""All stages for gray images of 16 bits, from files of 12 bits to generated files."""

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
data: {source: data/raw, resolution: 8, channels: gray, depth: 16, test_fraction: 0.3}
validate: {min_side: {limit: 4, severity: warning}}
model: {variant: vanilla, latent: 8, hidden: [64, 128]}
train: {device: cpu, batch_size: 32, total_images: 6400, log_images: 640, snapshot_images: 3200,
  checkpoint_images: 3200, health: {images: 6400}, ema_half_life: 500,
  learning_rate: {generator: 0.001, discriminator: 0.001}}
evaluate: {samples: 300, gate: GATE}
tracking: {experiment: tests, model: tests}
"""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Path]:
    """Run all stages on images with a bright lower half, under noise; the values have 12 bits."""
    root = tmp_path_factory.mktemp("deep")
    shutil.copy(empty_store, root)
    (root / "params.yaml").write_text(PARAMS.replace("GATE", json.dumps(ALL_OFF)))
    (root / "data" / "raw").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(200):
        pixels = rng.integers(0, 1500, (8, 8), dtype=np.uint16)
        pixels[4:] += 2500
        Image.fromarray(pixels).save(root / "data" / "raw" / f"{number:03d}.png")
    with all_stages(root):
        yield root


def test_every_description_states_the_depth_and_the_range(line: Path) -> None:
    for name in ("data/dataset/dataset.json", "models/config.json"):
        item = json.loads((line / name).read_text())["item"]
        assert (item["dtype"], item["details"]) == ("uint16", {"range": {"integer": [0, 4095]}}), name
    assert "np.uint16" in (line / "exported" / "model_card.md").read_text()
    assert json.loads((line / "metrics" / "evaluation.json").read_text())["verdict"] == "pass"
    assert "data:image/png" in (line / "reports" / "evaluation.html").read_text()


def test_samples_have_more_than_256_levels_in_files_and_answers(line: Path, tmp_path: Path) -> None:
    generator = line / "exported" / "generator.onnx"
    images = Generator(generator).sample(200, seed=0)
    assert images.dtype == np.uint16
    assert len(np.unique(images)) > 1000
    assert images[:, 4:].mean() > images[:, :4].mean() + 20_000
    sample_to_files(generator, tmp_path / "samples", Request(n=2, seed=1), folder=True)
    with TestClient(create_app(InferenceService(FileSource(generator), ServeSettings(max_batch=8)))) as client:
        answer = client.get("/image.png", params={"seed": 1})
        contents = [answer.content, *(path.read_bytes() for path in (tmp_path / "samples").iterdir())]
    for content in contents:
        with Image.open(io.BytesIO(content)) as image:
            assert image.mode == "I;16"
            assert len(np.unique(np.asarray(image))) > 32
