"""Clips that are sampled, predicted and served: they move in files and on the page, and a seed is one clip."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from pipeline.errors import InputError
from pipeline.gans.registry import build, parse_settings
from pipeline.media.registry import MEDIA
from pipeline.media.video.moving_digits import draw_clip
from pipeline.media.video.transformation import read_clip
from pipeline.media.video.writer import write_gif
from pipeline.serving.http.application import create_app
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.model_source import FileSource
from pipeline.serving.onnx.graph_export import export, name_tensors
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.apply_files import ApplyOptions, apply_to_files
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.image_to_image import TileSize
from pipeline.serving.runtime.sample_files import Request, sample_to_files
from pipeline.serving.settings import ServeSettings

VIDEO: Any = MEDIA["video"]
SPEC = VIDEO.spec(VIDEO.Settings(source="x", resolution=16, frames=4), ())
Describe = Callable[..., Metadata]


def exported(folder: Path, describe: Describe, settings: dict[str, Any], **about: Any) -> Path:
    """Export an untrained model."""
    torch.manual_seed(0)
    gan: Any = build(parse_settings(settings), SPEC)
    if "past" in about:
        torch.nn.init.normal_(gan.generator.head.weight, 0, 0.05)
    (spec,) = gan.eval().export()
    values = {"item": SPEC, "variant": settings["variant"], "multiple": spec.multiple} | about
    metadata = describe(latent=gan.latent).model_copy(update=values)
    export(name_tensors(spec, SPEC), folder / "generator.onnx", metadata.pairs(), 20)
    return folder / "generator.onnx"


@pytest.fixture(scope="module")
def filmmaker(tmp_path_factory: pytest.TempPathFactory, describe: Describe) -> Path:
    settings = {"variant": "dcgan", "latent": 4, "generator_channels": 4, "discriminator_channels": 4}
    return exported(tmp_path_factory.mktemp("clips"), describe, settings)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory, describe: Describe) -> Path:
    settings = {"variant": "nextframe", "past": 2, "ahead": 1, "generator_channels": 4, "blocks": 1}
    about = {"variant": "nextframe", "task": "predict", "past": 2}
    return exported(tmp_path_factory.mktemp("frames"), describe, settings, **about)


@pytest.fixture(scope="module")
def improviser(tmp_path_factory: pytest.TempPathFactory, describe: Describe) -> Path:
    sizes = {"generator_channels": 4, "image_channels": 2, "video_channels": 2}
    settings = {"variant": "mocogan", "latent": 3, "motion": 2, "state": 4} | sizes
    return exported(tmp_path_factory.mktemp("longer"), describe, settings, motion=2)


def frames_of(data: bytes) -> np.ndarray[Any, Any]:
    """Return the frames of an animation, [T, H, W]."""
    with Image.open(io.BytesIO(data)) as image:
        frames = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            frames.append(np.asarray(image.convert("L")))
    return np.stack(frames)


def test_clips_move_in_files_and_on_the_page(filmmaker: Path, tmp_path: Path) -> None:
    item = Generator(filmmaker).sample(1, 3)[0]
    sample_to_files(filmmaker, tmp_path / "one.gif", Request(n=1, seed=3), folder=False)
    sample_to_files(filmmaker, tmp_path / "sheet.webp", Request(n=6, seed=3), folder=False)
    sample_to_files(filmmaker, tmp_path / "strips.png", Request(n=6, seed=3), folder=False)
    sheet = frames_of((tmp_path / "sheet.webp").read_bytes())
    assert len(sheet) == len(frames_of((tmp_path / "one.gif").read_bytes())) == 4
    assert len(frames_of((tmp_path / "strips.png").read_bytes())) == 1
    assert (sheet[:, 2:66:4, 2:66:4] == item.transpose(2, 0, 1)).all(), "the first clip of the sheet, enlarged"
    with TestClient(create_app(InferenceService(FileSource(filmmaker), ServeSettings(max_batch=8)))) as client:
        about = client.get("/model.json").json()["item"]
        assert (about["display"], about["suffix"], about["noun"]) == ("image", ".gif", "clip")
        for path in ("/item", "/sample.gif"):
            answer = client.get(path, params={"seed": 3})
            assert answer.headers["content-type"] == "image/gif"
            assert (frames_of(answer.content) == item.transpose(2, 0, 1)).all()
        assert len(frames_of(client.get("/sample.webp", params={"seed": 3, "n": 4}).content)) == 4
        assert client.get("/item.html", params={"seed": 3}).text == VIDEO.html(item, SPEC)


def test_samples_are_written_as_a_video(filmmaker: Path, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    items = Generator(filmmaker).sample(4, 3)
    for n, name in ((1, "one.mp4"), (4, "sheet.mp4")):
        sample_to_files(filmmaker, tmp_path / name, Request(n=n, seed=3), folder=False)
    one = read_clip((tmp_path / "one.mp4").read_bytes(), VIDEO.Settings(source="x", resolution=16, frames=4)).frames
    assert one.shape == (4, 16, 16, 1)
    assert np.abs(one[..., 0].astype(int) - items[0].transpose(2, 0, 1)).mean() < 6, "H.264 is not lossless"
    sheet = VIDEO.Settings(source="x", resolution=130, frames=4)
    assert read_clip((tmp_path / "sheet.mp4").read_bytes(), sheet).frames.std() > 10
    with TestClient(create_app(InferenceService(FileSource(filmmaker), ServeSettings(max_batch=8)))) as client:
        answer = client.get("/sample.mp4", params={"seed": 3})
        assert answer.headers["content-type"] == "video/mp4"
        assert answer.content == (tmp_path / "one.mp4").read_bytes()


def test_only_some_models_make_clips_of_any_length(filmmaker: Path, tmp_path: Path, describe: Describe) -> None:
    with pytest.raises(InputError, match=r"this model \(dcgan\) makes no clips of any length\. Omit --frames"):
        sample_to_files(filmmaker, tmp_path / "x.gif", Request(frames=9), folder=False)
    usual = describe(latent=11).model_copy(update={"item": SPEC, "motion": 2})
    longer = usual.lengthened(9)
    assert (longer.latent, longer.item.frames, longer.item.channels) == (11 + 2 * 5, 9, 9)
    assert longer.lengthened(4) == usual


@pytest.mark.slow
def test_clips_of_any_length(improviser: Path, tmp_path: Path) -> None:
    for frames in (4, 11, 1):
        sample_to_files(improviser, tmp_path / f"{frames}.webp", Request(n=1, seed=3, frames=frames), folder=False)
    usual, longer, one = (frames_of((tmp_path / f"{frames}.webp").read_bytes()) for frames in (4, 11, 1))
    assert (len(usual), len(longer), len(one)) == (4, 11, 1)
    assert (longer[:4] == usual).all()
    assert (one[0] == usual[0]).all()
    with TestClient(create_app(InferenceService(FileSource(improviser), ServeSettings(max_batch=2)))) as client:
        name = client.get("/model.json").json()["name"]
        (z,) = client.get(f"/v2/models/{name}").json()["inputs"]
        assert z["shape"] == [-1, 3 + 4 * 2]


def test_clips_get_longer(predictor: Path, tmp_path: Path) -> None:
    clip = draw_clip("test", 0, 1, 5, (18, 27))
    body = write_gif(clip, 20)
    (tmp_path / "clip.gif").write_bytes(body)
    apply_to_files(predictor, [tmp_path / "clip.gif"], tmp_path / "longer.gif", ApplyOptions(TileSize(frames=3)))
    longer = frames_of((tmp_path / "longer.gif").read_bytes())
    assert longer.shape == (8, 18, 27)
    assert (longer[:5] == clip[..., 0]).all()
    assert (longer[5] != longer[4]).any()
    with TestClient(create_app(InferenceService(FileSource(predictor), ServeSettings(max_batch=2)))) as client:
        answer = client.post("/apply", params={"frames": 3}, content=body)
        assert (frames_of(answer.content) == longer).all()
        assert len(frames_of(client.post("/apply", content=body).content)) == 5 + 8
        short = client.post("/apply", content=write_gif(clip[:1], 20))
        assert short.status_code == 400
        assert short.json()["error"].startswith("the body is not a clip: one picture")
        assert client.post("/apply", params={"frames": 0}, content=body).status_code == 422
        assert client.get("/image.png").status_code == 400


def test_a_number_of_frames_needs_a_model_that_predicts(filmmaker: Path, predictor: Path, tmp_path: Path) -> None:
    (tmp_path / "clip.gif").write_bytes(write_gif(draw_clip("test", 0, 1, 5, (16, 16)), 20))
    with pytest.raises(InputError, match="Use `ganline sample`"):
        apply_to_files(filmmaker, [tmp_path / "clip.gif"], tmp_path / "out")
    with pytest.raises(InputError, match="Use `ganline apply`"):
        sample_to_files(predictor, tmp_path / "clip.gif", Request(), folder=False)
