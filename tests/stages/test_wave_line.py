"""All stages for a WaveGAN: waves in the store, the gate on their pictures, the sound in the graph, files."""

import json
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.store import open_split
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.sample_files import Request, sample_to_files
from tests.all_stages import all_stages
from tests.media.audio.sounds import sine, sound

pytestmark = pytest.mark.slow

PARAMS = """
data: {medium: audio, representation: wave, source: data/raw, seconds: 0.128, mels: 16}
model: {variant: wavegan, latent: 8, generator_channels: 2, discriminator_channels: 2, kernel: 9, critic_steps: 1}
train: {device: cpu, batch_size: 8, total_images: 32, log_images: 8, health: {images: 32, samples: 64}}
evaluate: {samples: 50}
export: {allow_failed: true}
tracking: {experiment: tests, model: tests-wavegan}
"""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("waves")
    (root / "params.yaml").write_text(PARAMS)
    rng = np.random.default_rng(0)
    for number in range(120):
        name = ("low", "high")[number % 2]
        folder = root / "data" / "raw" / name
        folder.mkdir(parents=True, exist_ok=True)
        fading = np.exp(-np.arange(1024) / rng.uniform(200, 400))
        clip = fading * sine((300, 1200)[number % 2] * rng.uniform(0.9, 1.1), seconds=0.128)
        (folder / f"{number}.wav").write_bytes(sound(clip))
    with all_stages(root):
        yield root


def test_the_store_holds_waves(line: Path) -> None:
    train = open_split(line / "data/dataset", line / "data/validated", "train")
    items = train.images([0])
    assert (items.dtype.name, items.shape) == ("int16", (1, 1, 1024, 1))


def test_the_gate_judges_the_pictures_of_waves(line: Path) -> None:
    found = json.loads((line / "metrics" / "evaluation.json").read_text())
    assert (found["medium"], found["verdict"]) == ("audio", "fail")
    assert found["fid_ratio"] > 3
    assert all(np.isfinite(found[name]) for name in ("loudness", "centroid", "texture", "spectrum", "hiss"))
    assert "int16=floor(32767x+0.5)" in found["protocol"]
    assert "<audio controls" in (line / "reports" / "evaluation.html").read_text()


def test_the_graph_returns_waves_that_are_written_as_files(line: Path, tmp_path: Path) -> None:
    generator = Generator(line / "exported" / "generator.onnx")
    inputs = {"z": np.zeros((2, 8), np.float32), "label": np.array([0, 1])}
    waves, audio = generator.session.run(["waves", "audio"], inputs)
    assert np.array_equal(waves[:, :, 0], audio), "a wave of tanh does not exceed full scale"
    sample_to_files(line / "exported" / "generator.onnx", tmp_path / "two.wav", Request(n=2, seed=1), folder=False)
    with wave.open(str(tmp_path / "two.wav")) as file:
        assert (file.getnframes(), file.getframerate()) == (2 * 1024, 8000)
    card = (line / "exported" / "model_card.md").read_text()
    assert "generates clips of 1,024 samples" in card
    assert "`waves`" in card
