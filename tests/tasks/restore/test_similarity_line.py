"""All stages for a model that restores waves: speakers held out, evaluation by SI-SDR, export, files, service."""

import io
import json
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from pipeline.data.store import open_split
from pipeline.errors import InputError
from pipeline.media.registry import MEDIA
from pipeline.serving.http.application import create_app
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.model_source import FileSource
from pipeline.serving.runtime.apply_files import apply_to_files
from pipeline.serving.settings import ServeSettings
from pipeline.stages.commands import human
from pipeline.tasks.registry import TASKS
from tests.all_stages import all_stages
from tests.media.audio.sounds import sine, sound

pytestmark = pytest.mark.slow

PARAMS = """
data:
  {medium: audio, representation: wave, source: data/raw, seconds: 0.064, mels: 8, group: '([a-z]+)_', held_out: [ben]}
validate: {min_images: {limit: 3, severity: critical}}
model: {variant: segan, layers: 3, stride: 4, kernel: 9, generator_channels: 2, discriminator_channels: 2}
train:
  {device: cpu, batch_size: 4, total_images: 24, log_images: 8, snapshot_images: 24, checkpoint_images: 24,
   health: {images: 24, samples: 64}}
evaluate: {samples: 50, gate: {GATE}}
export: {parity_tolerance: 0.001}
tracking: {experiment: tests, model: tests-segan}
"""
TESTED = {"si_sdr_gain": -60, "mel_error_gain": -60}
"""Bounds that an untrained model passes; the other tests are off."""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("enhancement")
    off = dict.fromkeys(TASKS["restore"].gate(MEDIA["audio"]).model_fields)
    (root / "params.yaml").write_text(PARAMS.replace("{GATE}", json.dumps(off | TESTED)))
    raw = root / "data" / "raw"
    raw.mkdir(parents=True)
    for number in range(24):
        who = ("anna", "ben")[number % 2]
        (raw / f"{who}_{number}.wav").write_bytes(sound(0.5 * sine(200 + 30 * number, seconds=0.064)))
    with all_stages(root):
        yield root


def test_the_held_out_speaker_is_evaluated_and_no_other(line: Path) -> None:
    for split, who in (("train", "anna"), ("test", "ben")):
        names = open_split(line / "data/dataset", line / "data/validated", split).names
        assert len(names) == 12
        assert all(who in name for name in names)


def test_the_evaluation_compares_results_with_inputs_and_the_baseline(line: Path) -> None:
    found = json.loads((line / "metrics" / "evaluation.json").read_text())
    assert found["verdict"] == "pass"
    assert (found["images"], found["nonfinite"]) == (12, 0)
    for name in ("si_sdr_snr_7p5", "si_sdr_gain_snr_0", "si_sdr_over_baseline_snr_0", "mel_error_gain_snr_0"):
        assert np.isfinite(found[name])
    assert found["si_sdr_baseline_gain_snr_0"] >= 0, "the baseline is at least as good as the input"
    assert "measure=si_sdr/mel_error" in found["protocol"]
    page = (line / "reports" / "evaluation.html").read_text()
    assert page.count("<audio controls") >= 2 * 4 * 4
    assert "before, after, baseline, original" in page
    header = (line / "reports" / "training.csv").read_text().splitlines()[0].split(",")
    assert {"health_rmse", "health_si_sdr", "loss_l1"} <= set(header)


def test_recordings_of_any_length_are_restored_and_keep_it(line: Path, tmp_path: Path) -> None:
    model = line / "exported" / "generator.onnx"
    for name, seconds in (("short", 0.03), ("exact", 0.064), ("long", 1.234)):
        source = tmp_path / f"{name}.wav"
        source.write_bytes(sound(0.3 * sine(440, seconds=seconds)))
        result = apply_to_files(model, [source], tmp_path / f"{name}-clean.wav")
        assert (result.written, result.problems) == (1, [])
        with wave.open(str(tmp_path / f"{name}-clean.wav")) as file:
            assert file.getnframes() == round(8000 * seconds)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    assert "broken.wav" in apply_to_files(model, [tmp_path / "broken.wav"], tmp_path / "out").problems[0]


def test_the_service_restores_recordings(line: Path) -> None:
    source = FileSource(line / "exported" / "generator.onnx")
    with TestClient(create_app(InferenceService(source, ServeSettings(max_batch=2)))) as client:
        answer = client.post("/apply", content=sound(0.3 * sine(440, seconds=0.5)))
        assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
        with wave.open(io.BytesIO(answer.content)) as file:
            assert file.getnframes() == 4000
        refused = client.post("/apply", content=b"no sound")
        assert refused.status_code == 400
        assert refused.json()["error"].startswith("the body is not a clip: not an audio file")


def test_there_is_no_blind_test_of_clips(line: Path) -> None:
    with pytest.raises(InputError, match="no blind test of clips"):
        human.write_page(line, 0)


def test_the_model_card_says_how_to_use_it(line: Path) -> None:
    card = (line / "exported" / "model_card.md").read_text()
    assert "ganline apply clip.wav -o restored.wav" in card
