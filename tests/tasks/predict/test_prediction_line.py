"""All stages for a model that predicts frames: training, evaluation by horizon, export, longer clips, service."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from pipeline.arrays import Items
from pipeline.errors import InputError
from pipeline.media.registry import MEDIA
from pipeline.media.video.moving_digits import draw_clip
from pipeline.media.video.settings import VideoSettings
from pipeline.media.video.writer import write_gif, write_strip
from pipeline.serving.http.application import create_app
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.model_source import FileSource
from pipeline.serving.runtime.apply_files import ApplyOptions, apply_to_files
from pipeline.serving.runtime.image_to_image import TileSize
from pipeline.serving.settings import ServeSettings
from pipeline.tasks.registry import TASKS
from tests.all_stages import all_stages

pytestmark = pytest.mark.slow

PARAMS = """
data: {medium: video, source: data/raw, resolution: 16, frames: 6, limit: 60}
validate: {min_images: {limit: 3, severity: critical}}
model:
  {variant: nextframe, past: 2, ahead: 2, generator_channels: 8, blocks: 1, discriminator_channels: 8, between: BETWEEN}
train:
  {device: cpu, batch_size: 8, total_images: 64, log_images: 16, snapshot_images: 64, checkpoint_images: 64,
   health: {images: 32, samples: 64}}
evaluate: {samples: 50, gate: {GATE}}
export: {parity_tolerance: 0.001}
tracking: {experiment: tests, model: tests-video}
"""


@pytest.fixture(scope="module", params=["after", "between"])
def line(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp(request.param)
    off = dict.fromkeys(TASKS["predict"].gate(MEDIA["video"]).model_fields)
    text = PARAMS.replace("{GATE}", json.dumps(off)).replace("BETWEEN", str(request.param == "between").lower())
    (root / "params.yaml").write_text(text)
    (root / "data" / "raw").mkdir(parents=True)
    for number in range(80):
        clip = draw_clip("train", number, 1, 6, (16, 16))
        (root / "data" / "raw" / f"{number}.png").write_bytes(write_strip(clip))
    with all_stages(root):
        yield root


def read_frames(path: Path) -> Items:
    settings = VideoSettings(resolution=16, frames=2, hop=1)
    return np.stack([item.values[..., 0] for item in MEDIA["video"].decode(path.read_bytes(), settings)])


def is_between(line: Path) -> bool:
    return "between: true" in (line / "params.yaml").read_text()


def test_the_evaluation_compares_every_horizon_with_predictions_without_learning(line: Path) -> None:
    found = json.loads((line / "metrics" / "evaluation.json").read_text())
    assert found["verdict"] == "pass"
    assert np.isfinite(found["gain_first"])
    assert ("gain_h4" in found) == (not is_between(line))
    page = (line / "reports" / "evaluation.html").read_text()
    assert "a copy of the last frame" in page
    assert page.count('<img alt="clip"') >= 12
    header = (line / "reports" / "training.csv").read_text().splitlines()[0].split(",")
    assert {"health_rmse_first", "health_rmse_last", "health_fid", "loss_adversarial"} <= set(header)


def test_clips_of_any_size_get_more_frames(line: Path, tmp_path: Path) -> None:
    model, between = line / "exported" / "generator.onnx", is_between(line)
    clip = draw_clip("test", 0, 1, 5, (18, 27))
    source = tmp_path / "clip.gif"
    source.write_bytes(write_gif(clip, 20))
    options = ApplyOptions(TileSize(frames=None if between else 3))
    result = apply_to_files(model, [source], tmp_path / "longer.webp", options)
    assert (result.written, result.problems) == (1, [])
    with Image.open(tmp_path / "longer.webp") as image:
        frames = getattr(image, "n_frames", 1)
        assert image.size == (27, 18)
        image.load()
        assert image.info["duration"] == (25 if between else 50)
        shown = []
        for number in range(frames):
            image.seek(number)
            shown.append(np.asarray(image.convert("L")))
    assert frames == (9 if between else 8)
    given = shown[::2] if between else shown[:5]
    assert (np.stack(given) == clip[..., 0]).all()
    short = tmp_path / "short.gif"
    short.write_bytes(write_gif(clip[:1], 20))
    assert "one picture" in apply_to_files(model, [short], tmp_path / "out").problems[0]


def test_a_number_of_frames_needs_a_model_that_predicts_the_next(line: Path, tmp_path: Path) -> None:
    if is_between(line):
        source = tmp_path / "clip.gif"
        source.write_bytes(write_gif(draw_clip("test", 0, 1, 5, (16, 16)), 20))
        model, options = line / "exported/generator.onnx", ApplyOptions(TileSize(frames=3))
        with pytest.raises(InputError, match="Omit the number of frames"):
            apply_to_files(model, [source], tmp_path / "out", options)


def test_the_service_predicts(line: Path) -> None:
    source = FileSource(line / "exported" / "generator.onnx")
    body = write_gif(draw_clip("test", 0, 1, 5, (16, 16)), 10)
    with TestClient(create_app(InferenceService(source, ServeSettings(max_batch=2)))) as client:
        query = "" if is_between(line) else "?frames=2"
        answer = client.post(f"/apply{query}", content=body)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
        with Image.open(io.BytesIO(answer.content)) as image:
            assert getattr(image, "n_frames", 1) == (9 if is_between(line) else 7)
        assert (
            client.post("/apply", content=b"no clip").json()["error"].startswith("the body is not a clip: not a clip")
        )
        tensor = {"name": "frames", "shape": [1, 2, 16, 16], "datatype": "FP32", "data": [0.0] * 512}
        found = client.post("/v2/models/generator/infer", json={"inputs": [tensor]})
        assert found.json()["outputs"][0]["shape"] == [1, 1, 16, 16]


def test_the_model_card_says_how_to_use_it(line: Path) -> None:
    card = (line / "exported" / "model_card.md").read_text()
    assert "ganline apply clip.gif -o predicted.gif" in card
    assert ("--frames 8" in card) == (not is_between(line))
