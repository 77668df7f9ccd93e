"""Audio: exported with its sound, sampled into files, played and downloaded from the service."""

import io
import re
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.gans.base import ExportSpec
from pipeline.gans.registry import build, parse_settings
from pipeline.items import ItemSpec
from pipeline.media.audio.medium import AudioMedium
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.waves import read_waves
from pipeline.serving.http.application import create_app
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.model_source import FileSource
from pipeline.serving.onnx import parity
from pipeline.serving.onnx.graph_export import export
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.onnx.signature import describe_graph
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.sample_files import Request, sample_to_files
from pipeline.serving.settings import ServeSettings
from pipeline.stages.vocoder import load_vocoder
from pipeline.training import model_files
from pipeline.training.model_files import ModelConfig
from tests.specs import image_spec

AUDIO = AudioMedium()
SPEC = AUDIO.spec(AudioSettings(mels=16, seconds=0.128), ("low", "high"))


class Bells(nn.Module):
    """z [B, 3] and label [B] -> one lit band, [B, 1, 16, 8]: the label chooses its half, z its place."""

    def __init__(self, item: ItemSpec) -> None:
        super().__init__()
        self.rows = torch.arange(float(item.height))[None, None, :, None]
        self.fade = torch.linspace(0, 2, item.width)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        place = 3 + 7 * label[:, None, None, None] + 2 * torch.tanh(z[:, :1, None, None])
        return 2 * torch.exp(-((self.rows - place) ** 2)) - 1 - self.fade * 0.2


@pytest.fixture(scope="module")
def bells(tmp_path_factory: pytest.TempPathFactory, describe: Callable[..., Metadata]) -> tuple[ExportSpec, Path]:
    path = tmp_path_factory.mktemp("bells") / "generator.onnx"
    inputs = {"z": torch.zeros(2, 3), "label": torch.zeros(2, dtype=torch.int64)}
    spec = ExportSpec("generator", Bells(SPEC).eval(), inputs, ("mels",))
    pairs = describe(latent=3).model_copy(update={"item": SPEC}).pairs()
    export(spec, path, pairs, 20, lambda model: AUDIO.extend_graph(model, SPEC))
    return spec, path


@pytest.fixture
def client(bells: tuple[ExportSpec, Path]) -> Iterator[TestClient]:
    with TestClient(create_app(InferenceService(FileSource(bells[1]), ServeSettings(max_batch=4)))) as client:
        yield client


@pytest.fixture(autouse=True)
def few_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "BATCHES", (1, 3))
    monkeypatch.setattr(parity, "LATENCY_BATCHES", ())


def test_the_graph_returns_the_sound_that_the_medium_computes(bells: tuple[ExportSpec, Path]) -> None:
    spec, path = bells
    assert parity.check_parity(spec, path, 1e-4, SPEC).max_abs < 1e-4
    mels, sound = Generator(path).session.run(
        ["mels", "audio"], {"z": np.zeros((5, 3), np.float32), "label": np.array([0, 1, 0, 1, 0])}
    )
    assert sound.shape == (5, 1, 1024)
    assert np.abs(sound - AUDIO.compute_outputs(mels, SPEC)["audio"]).max() < 1e-3
    assert np.abs(sound).max() > 0.1
    output = describe_graph(path, SPEC)["outputs"][1]
    assert (output["name"], output["shape"]) == ("audio", [-1, 1, 1024])
    assert "8,000 samples a second" in output["meaning"]


def test_sound_that_differs_from_the_medium_is_not_exported(
    bells: tuple[ExportSpec, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AudioMedium, "compute_outputs", lambda self, values, spec: {"audio": values[:, :, 0, :1]})
    with pytest.raises(InputError, match="output 'audio' differs from what audio computes"):
        parity.check_parity(bells[0], bells[1], 1e-4, SPEC)


def frames(data: bytes) -> tuple[int, int]:
    with wave.open(io.BytesIO(data)) as file:
        return file.getframerate(), file.getnframes()


def test_items_are_sampled_into_sound_files(bells: tuple[ExportSpec, Path], tmp_path: Path) -> None:
    path = bells[1]
    sample_to_files(path, tmp_path / "bells", Request(n=3, seed=1), folder=True)
    files = sorted((tmp_path / "bells").iterdir())
    assert [file.suffix for file in files] == [".wav"] * 3
    assert frames(files[0].read_bytes()) == (8000, 1024)
    sample_to_files(path, tmp_path / "three.wav", Request(n=3, seed=1), folder=False)
    assert frames((tmp_path / "three.wav").read_bytes()) == (8000, 3 * 1024)
    sample_to_files(path, tmp_path / "three.flac", Request(n=3, seed=1), folder=False)
    assert (tmp_path / "three.flac").read_bytes()[:4] == b"fLaC"


def test_the_service_plays_and_offers_sound(client: TestClient) -> None:
    file = client.get("/sample.wav", params={"seed": 3, "label": "high"})
    assert (file.headers["content-type"], frames(file.content)) == ("audio/wav", (8000, 1024))
    assert client.get("/item", params={"seed": 3, "label": "high"}).content == file.content, "same seed, same clip"
    tag = file.headers["etag"]
    again = client.get("/sample.wav", params={"seed": 3, "label": "high"}, headers={"If-None-Match": tag})
    assert again.status_code == 304
    assert client.get("/sample.flac", params={"seed": 3}).content[:4] == b"fLaC"
    refused = client.get("/sample.mid")
    assert (refused.status_code, ".wav, .flac" in refused.json()["error"]) == (404, True)
    element = client.get("/item.html", params={"seed": 3, "label": "high"}).text
    assert re.search(r'<audio controls src="data:audio/wav;base64,[^"]+">', element)
    assert client.get("/model.json").json()["item"]["display"] == "html"
    assert "media-src data: blob:;" in client.get("/").headers["content-security-policy"]


PLAY = """(async player => {
  const ended = new Promise(resolve => player.addEventListener('ended', resolve));
  await player.play();
  await ended;
  return [player.readyState, player.duration, player.currentTime, player.error];
})"""


def test_the_page_plays_and_downloads_sound(tab: Any, bells: tuple[ExportSpec, Path], running: Any) -> None:
    with running(bells[1]) as (url, _):
        tab.open(f"{url}/")
        tab.until("document.body && document.body.dataset.ready === 'yes'")
        tab.until("[...document.querySelectorAll('#main audio')].every(player => player.readyState >= 2)")
        tab.until("[...document.querySelectorAll('#main img')].every(picture => picture.naturalWidth > 0)")
        assert tab.run("document.querySelectorAll('#grid audio').length") == 24
        ready, duration, played, error = tab.run(f"{PLAY}(document.querySelector('#grid audio'))")
        assert (ready, error) == (4, None)
        assert duration == played == pytest.approx(0.128)
        tab.run("document.querySelectorAll('#grid button')[2].click()")
        tab.until("document.getElementById('a').textContent === 'A, seed 2'")
        tab.run("document.getElementById('save').click()")
        saved = tab.wait_for_download("seed-2-to-1-at-0.wav").read_bytes()
        assert saved == httpx.get(f"{url}/sample.wav", params={"seed": 2}).content
        assert tab.problems == []


def test_the_open_inference_protocol_returns_the_sound(client: TestClient) -> None:
    name = client.get("/model.json").json()["name"]
    body = {
        "inputs": [
            {"name": "z", "shape": [2, 3], "datatype": "FP32", "data": [0.0] * 6},
            {"name": "label", "shape": [2], "datatype": "INT64", "data": [0, 1]},
        ],
        "outputs": [{"name": "audio"}],
    }
    answer = client.post(f"/v2/models/{name}/infer", json=body).json()
    assert answer["outputs"][0]["shape"] == [2, 1, 1024]


@pytest.fixture(scope="module")
def vocoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models/ folder of an untrained vocoder."""
    torch.manual_seed(0)
    item = AUDIO.spec(AudioSettings(mels=16, seconds=0.256, representation="wave"), ())
    sizes = {"generator_channels": 4, "rates": [], "column_blocks": 1, "discriminator_channels": 2, "scales": 0}
    settings = parse_settings({"variant": "hifigan"} | sizes)
    config = ModelConfig(model=settings, item=item, dataset_source="", dataset_fingerprint="", images_seen=0)
    folder = tmp_path_factory.mktemp("vocoder") / "models"
    model_files.save(build(settings, item), config, folder)
    return folder


def test_a_vocoder_takes_the_place_of_griffin_lim(
    bells: tuple[ExportSpec, Path], vocoder_folder: Path, describe: Callable[..., Metadata], tmp_path: Path
) -> None:
    vocoder = load_vocoder(tmp_path, str(vocoder_folder), SPEC)
    assert vocoder is not None
    spec, path = vocoder.append_to(bells[0]), tmp_path / "generator.onnx"
    metadata = describe(latent=3).model_copy(update={"item": SPEC, "vocoder": vocoder.fingerprint})
    export(spec, path, metadata.pairs(), 20)
    assert parity.check_parity(spec, path, 1e-4, SPEC).max_abs < 1e-4
    generator = Generator(path)
    label = np.zeros(2, np.int64)
    mels, sound = generator.session.run(["mels", "audio"], {"z": generator.latents(7, 0, 2), "label": label})
    with torch.no_grad():
        assert np.allclose(vocoder.network(torch.from_numpy(mels)).numpy(), sound, atol=1e-5)
    items = generator.sample(2, 7, label=["low"])
    assert np.allclose(read_waves(items), sound[:, 0], atol=1e-4)
    sample_to_files(path, tmp_path / "clips", Request(n=2, seed=7, conditions={"label": ["low"]}), folder=True)
    with wave.open(str(tmp_path / "clips/0000.wav")) as file:
        frames = np.frombuffer(file.readframes(2000), dtype="<i2")
    assert np.abs(frames - items[0, 0, :, 0]).max() <= 1
    assert AUDIO.measured(items, generator.graph.result_item, SPEC).shape == (2, *SPEC.shape)
    with TestClient(create_app(InferenceService(FileSource(path), ServeSettings(max_batch=4)))) as client:
        assert client.get("/sample.wav?seed=7&label=low").content[-len(frames.tobytes()) :] == frames.tobytes()


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (AUDIO.spec(AudioSettings(mels=16, hop=64, seconds=0.128), ()), r"data\.hop must be the same"),
        (AUDIO.spec(AudioSettings(representation="wave"), ()), "these clips are waves"),
        (image_spec(8, 1, 2), "images of data.medium image have no spectrogram"),
    ],
)
def test_a_vocoder_of_other_spectrograms_is_refused(vocoder_folder: Path, item: ItemSpec, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_vocoder(vocoder_folder.parent, "models", item)


def test_a_model_that_is_no_vocoder_is_refused(tmp_path: Path) -> None:
    settings = parse_settings({"variant": "vanilla", "hidden": [4]})
    config = ModelConfig(model=settings, item=SPEC, dataset_source="", dataset_fingerprint="", images_seen=0)
    model_files.save(build(settings, SPEC), config, tmp_path / "models")
    with pytest.raises(InputError, match="vanilla is no vocoder"):
        load_vocoder(tmp_path, "models", SPEC)
