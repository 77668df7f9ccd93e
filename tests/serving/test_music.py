"""Music that is sampled and served: MIDI files, sounds, and the page's elements; the same seed is the same piece."""

import io
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from pipeline.errors import InputError
from pipeline.gans.registry import build, parse_settings
from pipeline.media.music.midi import read_score
from pipeline.media.music.settings import MusicLimits
from pipeline.media.registry import MEDIA
from pipeline.serving.http.application import create_app
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.model_source import FileSource
from pipeline.serving.onnx.graph_export import export, name_tensors
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.sample_files import Request, sample_to_files
from pipeline.serving.settings import ServeSettings

MUSIC = MEDIA["music"]
SPEC = MUSIC.spec(MUSIC.Settings(medium="music", source="x"), ("slow", "fast"))


@pytest.fixture(scope="module")
def composer(tmp_path_factory: pytest.TempPathFactory, describe: Callable[..., Metadata]) -> Path:
    """Export an untrained MuseGAN."""
    torch.manual_seed(0)
    settings = {"variant": "musegan", "latent": 5, "shared": 8, "private": 8, "conditional": True}
    (spec,) = build(parse_settings(settings), SPEC).eval().export()
    path = tmp_path_factory.mktemp("music") / "generator.onnx"
    metadata = describe(latent=5).model_copy(update={"item": SPEC, "variant": "musegan"})
    export(name_tensors(spec, SPEC), path, metadata.pairs(), 20)
    return path


def durations(data: bytes) -> list[float]:
    """Return the end of each voice's last note, in quarter notes."""
    score = read_score(data, MusicLimits())
    return [part[-1].end / score.division for part in score.parts]


def test_sample_writes_midi_and_sound(composer: Path, tmp_path: Path) -> None:
    text = sample_to_files(composer, tmp_path / "one.mid", Request(n=1, seed=3), folder=False)
    assert text.startswith("1 pieces, seed 3")
    item = Generator(composer).sample(1, 3)[0]
    assert (tmp_path / "one.mid").read_bytes() == MUSIC.encode(item, SPEC).data
    sample_to_files(composer, tmp_path / "three.mid", Request(n=3, seed=3), folder=False)
    assert max(durations((tmp_path / "three.mid").read_bytes())) == 3 * 8 + 2 * 2
    sample_to_files(composer, tmp_path / "three.WAV", Request(n=3, seed=3), folder=False)
    with wave.open(str(tmp_path / "three.WAV")) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(28 * 60 / 84, abs=0.2)
    sample_to_files(composer, tmp_path / "out", Request(n=2, seed=3), folder=True)
    assert (tmp_path / "out" / "0000.mid").read_bytes() == (tmp_path / "one.mid").read_bytes()


def test_pictures_have_no_midi_files_and_music_no_other_ones(
    composer: Path, plain_graph: "tuple[Path, object, object]", tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"images cannot be written as '.mid'"):
        sample_to_files(plain_graph[0], tmp_path / "a.mid", Request(n=1), folder=False)
    with pytest.raises(InputError, match=r"pictures cannot be written as '.xyz'"):
        sample_to_files(composer, tmp_path / "a.xyz", Request(n=1), folder=False)
    with pytest.raises(InputError, match=r"pictures cannot be written as '.mid'"):
        sample_to_files(composer, tmp_path / "a.mid", Request(n=2, steps=3), folder=False)


def test_music_is_served(composer: Path) -> None:
    item = Generator(composer).sample(1, 9, label=["fast"])[0]
    query: dict[str, str | int] = {"seed": 9, "label": "fast"}
    with TestClient(create_app(InferenceService(FileSource(composer), ServeSettings(max_batch=8)))) as client:
        assert client.get("/model.json").json()["item"]["display"] == "html"
        midi, sound = (client.get(path, params=query) for path in ("/sample.mid", "/sample.wav"))
        assert (midi.content, midi.headers["content-type"]) == (MUSIC.encode(item, SPEC).data, "audio/midi")
        assert (sound.content, sound.headers["content-type"]) == (MUSIC.encode(item, SPEC, ".wav").data, "audio/wav")
        assert client.get("/item", params=query).content == midi.content
        again = client.get("/sample.mid", params=query, headers={"If-None-Match": midi.headers["etag"]})
        assert again.status_code == 304
        assert max(durations(client.get("/sample.mid", params={"n": 3}).content)) == 28
        element = client.get("/item.html", params=query).text
        assert "<audio controls" in element
        with Image.open(io.BytesIO(client.get("/image.png", params=query).content)) as picture:
            assert np.asarray(picture).ndim == 3
        missing = client.get("/sample.png", params=query)
        assert (missing.status_code, missing.json()["error"]) == (
            404,
            "pieces of this model are no .png files; known: .mid, .wav",
        )
        assert "media-src data: blob:;" in client.get("/").headers["content-security-policy"]


def test_pictures_have_sample_files_too(plain_graph: "tuple[Path, object, object]") -> None:
    with TestClient(create_app(InferenceService(FileSource(plain_graph[0]), ServeSettings()))) as client:
        assert client.get("/sample.png", params={"seed": 4}).content == client.get("/item", params={"seed": 4}).content
        several = client.get("/sample.png", params={"seed": 4, "n": 2})
        assert (several.status_code, "do not fit into one .png" in several.text) == (400, True)
