"""All stages for a generator of clips: folders of frames in, moving pictures out of report, files and service."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from pipeline.media.registry import MEDIA
from pipeline.media.video.moving_digits import draw_clip
from pipeline.serving.http.application import create_app
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.model_source import FileSource
from pipeline.serving.runtime.sample_files import Request, sample_to_files
from pipeline.serving.settings import ServeSettings
from pipeline.tasks.registry import TASKS
from tests.all_stages import all_stages
from tests.media.video.clip_files import images

pytestmark = pytest.mark.slow

PARAMS = """
data: {medium: video, source: data/raw, clips: folders, resolution: 16, frames: 4}
validate: {min_images: {limit: 3, severity: critical}}
model: {variant: dcgan, latent: 8, generator_channels: 8, discriminator_channels: 8}
train:
  {device: cpu, batch_size: 8, total_images: 64, log_images: 16, snapshot_images: 64, checkpoint_images: 64,
   health: {images: 64, samples: 64}}
evaluate: {features: random, samples: 64, gate: {GATE}}
export: {parity_tolerance: 0.001}
tracking: {experiment: tests, model: tests-video}
"""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("video")
    off = dict.fromkeys(TASKS["generate"].gate(MEDIA["video"]).model_fields)
    del off["significance"]
    (root / "params.yaml").write_text(PARAMS.replace("{GATE}", json.dumps(off)))
    for number in range(160):
        folder = root / "data" / "raw" / f"clip{number}"
        folder.mkdir(parents=True)
        for frame, image in enumerate(images(draw_clip("train", number, 1, 8, (16, 16)))):
            image.save(folder / f"{frame}.png")
    with all_stages(root):
        yield root


def frames_in(data: bytes) -> tuple[int, tuple[int, int]]:
    with Image.open(io.BytesIO(data)) as image:
        return getattr(image, "n_frames", 1), image.size


def test_every_clip_became_two_items_on_one_side(line: Path) -> None:
    found = json.loads((line / "metrics" / "validation.json").read_text())
    assert 0 < found["motion_mean"] < 0.2
    rows = pq.read_table(line / "data/dataset/manifest.parquet").to_pandas()
    assert len(rows) == 320
    assert rows.groupby("path")["split"].nunique().max() == 1
    info = json.loads((line / "data/dataset/dataset.json").read_text())
    assert info["item"]["details"] == {"frames": 4, "colours": 1, "rate": 10.0}


def test_the_report_plays_single_clips(line: Path) -> None:
    assert json.loads((line / "metrics" / "evaluation.json").read_text())["verdict"] == "pass"
    assert (line / "reports" / "evaluation.html").read_text().count('<img alt="clip" src="data:image/gif') >= 8


def test_files_move_and_a_seed_gives_the_same_clips(line: Path, tmp_path: Path) -> None:
    model = line / "exported" / "generator.onnx"
    for name in ("clips.gif", "clips.webp", "strips.png", "again.gif"):
        sample_to_files(model, tmp_path / name, Request(n=4, seed=3), folder=False)
    assert (tmp_path / "clips.gif").read_bytes() == (tmp_path / "again.gif").read_bytes()
    assert frames_in((tmp_path / "clips.gif").read_bytes()) == (4, (134, 134))
    assert frames_in((tmp_path / "strips.png").read_bytes())[0] == 1
    sample_to_files(model, tmp_path / "single", Request(n=3), folder=True)
    assert {frames_in(path.read_bytes()) for path in (tmp_path / "single").iterdir()} == {(4, (16, 16))}


def test_the_service_sends_clips(line: Path) -> None:
    source = FileSource(line / "exported" / "generator.onnx")
    with TestClient(create_app(InferenceService(source, ServeSettings(max_batch=4)))) as client:
        single, sheet, page = (client.get(path) for path in ("/sample.gif?seed=3", "/sample.gif?n=4", "/item?seed=3"))
        assert single.headers["content-type"] == page.headers["content-type"] == "image/gif"
        assert single.content == page.content
        assert frames_in(single.content) == (4, (16, 16))
        assert frames_in(sheet.content)[0] == 4
        assert client.get("/sample.mid").status_code == 404
        assert client.get("/model.json").json()["item"]["display"] == "image"
