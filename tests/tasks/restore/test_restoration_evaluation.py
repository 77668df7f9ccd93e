"""All stages for a small restoration model: images of different sizes, pretraining, evaluation, export, use."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data.store import open_split
from pipeline.errors import GateRefused, InputError
from pipeline.media.registry import MEDIA
from pipeline.serving.runtime.image_to_image import ImageToImage
from pipeline.stages import evaluate, export
from pipeline.tasks.registry import TASKS
from pipeline.tasks.restore.restoration_evaluation import crop_centre, cut_squares, read_image
from tests.all_stages import all_stages
from tests.stages.delivering import evaluate_networks_and_graphs

PARAMS = """
data: {source: data/raw, resolution: 16, channels: rgb, fit: keep, test_fraction: 0.4}
validate: {min_images: {limit: 3, severity: critical}, max_error_share: {limit: 0.2, severity: critical}}
model:
  {variant: srgan, scale: 2, generator_channels: 4, blocks: 1, kernel: 3, discriminator_channels: 4, pretraining: 0.5}
train:
  {device: cpu, batch_size: 4, total_images: 48, log_images: 8, snapshot_images: 24, checkpoint_images: 24,
   health: {images: 16, samples: 64}}
evaluate: {samples: 50, gate: {GATE}}
tracking: {experiment: tests, model: tests-srgan}
"""
TESTED = {"gain": -30, "ssim_gain": -1, "worst_gain": -30, "shift": 60}
"""Bounds that an untrained model passes; the other tests are off."""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("restoration")
    off = dict.fromkeys(TASKS["restore"].gate(MEDIA["image"]).model_fields)
    (root / "params.yaml").write_text(PARAMS.replace("{GATE}", json.dumps(off | TESTED)))
    raw = root / "data" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(12):
        height, width = (int(size) for size in rng.integers(17, 60, 2))
        y, x = np.mgrid[:height, :width]
        waves = np.stack([128 + 90 * np.sin(x / (2 + k) + number) * np.cos(y / 3) for k in range(3)], axis=2)
        Image.fromarray(waves.astype(np.uint8)).save(raw / f"{number:02d}.png")
    Image.fromarray(np.zeros((9, 50, 3), dtype=np.uint8)).save(raw / "small.png")
    with all_stages(root):
        yield root


def test_small_images_are_quarantined(line: Path) -> None:
    assert "small.png" in (line / "data" / "validated" / "quarantine.csv").read_text()


def test_training_starts_with_the_pixel_loss_only(line: Path) -> None:
    header, *rows = (line / "reports" / "training.csv").read_text().splitlines()
    columns = header.split(",")
    curves = [dict(zip(columns, row.split(","), strict=True)) for row in rows]
    assert [row["loss_discriminator"] != "" for row in curves] == [False, False, False, True, True, True]
    assert all(row["loss_pixel"] for row in curves)
    looks = [row for row in curves if row["health_psnr"]]
    assert len(looks) == 3
    assert all(float(row["health_rmse"]) > 0 for row in looks)
    pictures = sorted((line / "reports" / "samples").glob("*.png"))
    with Image.open(pictures[-1]) as sheet:
        assert sheet.width < sheet.height, "rows of input, output and target"


def test_the_evaluation_compares_results_with_inputs(line: Path) -> None:
    found = json.loads((line / "metrics" / "evaluation.json").read_text())
    assert found["verdict"] == "pass"
    assert found["images"] == len(open_split(line / "data/dataset", line / "data/validated", "test"))
    assert found["gain"] == pytest.approx(found["psnr"] - found["input_psnr"])
    assert "measure=psnr" in found["protocol"]
    assert "border=2" in found["protocol"]
    page = (line / "reports" / "evaluation.html").read_text()
    for words in ("Verdict: pass", "before, after, original", "Image by image", "data:image/png;base64,", ".png</td>"):
        assert words in page, words


def test_the_exported_graph_takes_images_of_any_size(line: Path) -> None:
    signature = json.loads((line / "exported" / "signature.json").read_text())
    assert signature["inputs"][0]["name"] == "image"
    assert signature["inputs"][0]["shape"] == [-1, 3, -1, -1]
    card = (line / "exported" / "model_card.md").read_text()
    assert "ganline apply photo.jpg" in card
    assert "2 times larger" in card
    made = ImageToImage(line / "exported" / "generator.onnx")
    assert (made.metadata.task, made.metadata.scale, made.metadata.multiple) == ("restore", 2, 1)
    assert made(np.zeros((7, 30, 3), dtype=np.uint8)).shape == (14, 60, 3)


def test_the_graph_has_the_same_measurements_as_the_network(line: Path) -> None:
    networks, graphs = evaluate_networks_and_graphs(line)
    assert len(graphs) > 15
    assert graphs == pytest.approx(networks, rel=1e-3, abs=1e-3)


def test_a_failed_verdict_is_not_exported(line: Path, tmp_path: Path) -> None:
    params, curves = line / "params.yaml", line / "reports" / "training.csv"
    before, trained = params.read_text(), curves.read_text()
    kept = (line / "metrics" / "evaluation.json").read_text()
    curves.write_text("images,health_fid,health_rmse\n1,5,9\n2,5,8\n3,5,5\n4,5,4\n")
    params.write_text(before.replace('"gain": -30, "ssim', '"gain": 40, "ssim'))
    try:
        evaluate.run(line)
        found = json.loads((line / "metrics" / "evaluation.json").read_text())
        assert found["verdict"] == "fail"
        assert found["reasons"][0].startswith(
            "stopped while still improving: the error of the restored images of the last 2 health checks is 4.5"
        )
        assert found["reasons"][1].startswith("little gain over the input: gain ")
        page = (line / "reports" / "evaluation.html").read_text()
        assert page.index("<strong>gain") < page.index("The images that gain least") < page.index("<strong>ssim_gain")
        with pytest.raises(GateRefused, match="is fail: stopped while still improving"):
            export.run(line)
    finally:
        params.write_text(before)
        curves.write_text(trained)
        (line / "metrics" / "evaluation.json").write_text(kept)


def test_a_model_of_another_variant_than_in_params_is_rejected(line: Path) -> None:
    params = line / "params.yaml"
    before = params.read_text()
    params.write_text(
        "data: {resolution: 16, channels: rgb}\ntrain: {device: cpu}\n" + before[before.index("tracking:") :]
    )
    try:
        with pytest.raises(InputError, match=r"the model is a srgan, but model\.variant is dcgan"):
            evaluate.run(line)
    finally:
        params.write_text(before)


def test_squares_and_centre_crops_of_an_image() -> None:
    picture = np.arange(7 * 9, dtype=np.uint8).reshape(7, 9, 1)
    squares = cut_squares(picture, 3)
    assert squares.shape == (6, 3, 3, 1)
    assert (squares[1, :, :, 0] == picture[:3, 3:6, 0]).all()
    assert (squares[3, :, :, 0] == picture[3:6, :3, 0]).all()
    assert (crop_centre(picture)[:, :, 0] == picture[:, 1:8, 0]).all()


def test_images_are_cropped_to_multiples_of_the_scale(line: Path) -> None:
    test = open_split(line / "data/dataset", line / "data/validated", "test")
    for position in range(len(test)):
        image = read_image(test, position, 4)
        assert image.shape[2] % 4 == image.shape[3] % 4 == 0
        assert float(image.abs().max()) <= 1
