"""Melodies that are accompanied, by files and by the service: any length, and the same seed is the same piece."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient

from pipeline.gans.registry import build, parse_settings
from pipeline.media.music.midi import read_score
from pipeline.media.music.settings import MusicLimits
from pipeline.media.registry import MEDIA
from pipeline.serving.http.application import create_app
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.model_source import FileSource
from pipeline.serving.onnx.graph_export import export, name_tensors
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.apply_files import ApplyOptions, apply_to_files
from pipeline.serving.settings import ServeSettings
from tests.media.music.midi_files import melody, write

MUSIC: Any = MEDIA["music"]
SPEC = MUSIC.spec(MUSIC.Settings(medium="music", source="x", voices=3, steps=4, pitches=(50, 80)), ())
TUNE = [(60 + k % 12, k, k + 1) for k in range(10)]


def export_accompanist(path: Path, about: Metadata) -> Path:
    """Export an untrained accompanist."""
    torch.manual_seed(0)
    settings = {"variant": "accompaniment", "latent": 5, "shared": 8, "private": 8}
    gan = build(parse_settings(settings), SPEC).eval()
    (spec,) = gan.export()
    more = {"item": SPEC, "variant": "accompaniment", "task": "restore", "latent": gan.latent}
    export(name_tensors(spec, SPEC), path, about.model_copy(update=more).pairs(), 20)
    return path


@pytest.fixture(scope="module")
def accompanist(tmp_path_factory: pytest.TempPathFactory, describe: Callable[..., Metadata]) -> Path:
    return export_accompanist(tmp_path_factory.mktemp("music") / "generator.onnx", describe())


def pitches(data: bytes) -> list[list[tuple[int, int, int]]]:
    """Return the notes of each part, in quarter notes."""
    score = read_score(data, MusicLimits())
    length = score.division
    return [[(note.pitch, note.start // length, note.end // length) for note in part] for part in score.parts]


def test_a_melody_of_ten_quarters_is_accompanied(accompanist: Path, tmp_path: Path) -> None:
    (tmp_path / "melody.mid").write_bytes(write(melody(TUNE)))
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        done = apply_to_files(accompanist, [tmp_path / "melody.mid"], tmp_path / f"{name}.mid", ApplyOptions(seed=seed))
        assert (done.written, done.problems, done.losses) == (1, [], [])
    one, same, other = ((tmp_path / f"{name}.mid").read_bytes() for name in ("one", "same", "other"))
    assert one == same
    assert one != other
    first, *rest = pitches(one)
    assert first == TUNE, "the melody stays"
    assert rest
    assert max(end for part in rest for _, _, end in part) <= 10
    apply_to_files(accompanist, [tmp_path / "melody.mid"], tmp_path / "one.wav")
    assert (tmp_path / "one.wav").read_bytes().startswith(b"RIFF")


def test_broken_files_are_named(accompanist: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "bad.mid").write_bytes(b"nothing")
    (tmp_path / "a" / "good.mid").write_bytes(write(melody(TUNE)))
    done = apply_to_files(accompanist, [tmp_path / "a"], tmp_path / "out")
    assert done.written == 1
    assert done.problems == [f"{tmp_path / 'a' / 'bad.mid'}: not a MIDI file (it does not start with MThd)"]


def test_the_service_accompanies_and_shows(accompanist: Path) -> None:
    body = write(melody(TUNE))
    with TestClient(create_app(InferenceService(FileSource(accompanist), ServeSettings()))) as client:
        model = client.get("/model.json").json()
        assert (model["takes"], model["styles"], model["item"]["mime_type"]) == ("pictures", True, "audio/midi")
        made = client.post("/apply", content=body, params={"seed": 2})
        assert (made.status_code, made.headers["content-type"]) == (200, "audio/midi")
        assert pitches(made.content)[0] == TUNE
        assert client.post("/apply", content=body, params={"seed": 2}).content == made.content
        before, after = (
            client.post("/apply", content=body, params={"seed": 2, "element": name}) for name in ("before", "after")
        )
        for shown in (before, after):
            assert shown.headers["content-type"].startswith("text/html")
            assert "<audio controls" in shown.text
        assert before.text != after.text
        bad = client.post("/apply", content=b"nothing")
        assert (bad.status_code, bad.json()["error"]) == (
            400,
            "the body is not a piece: not a MIDI file (it does not start with MThd)",
        )
        assert client.post("/apply", content=body, params={"element": "middle"}).status_code == 422
