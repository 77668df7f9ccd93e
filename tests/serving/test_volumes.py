"""Volumes that are sampled and served: grids, meshes, and an element that a pointer turns; a seed is one volume."""

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
from pipeline.serving.http.application import create_app
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.model_source import FileSource
from pipeline.serving.onnx.graph_export import export, name_tensors
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.sample_files import Request, sample_to_files
from pipeline.serving.settings import ServeSettings

VOLUME: Any = MEDIA["volume"]
SPEC = VOLUME.spec(VOLUME.Settings(source="x", resolution=8), ("box", "ball"))


@pytest.fixture(scope="module")
def sculptor(tmp_path_factory: pytest.TempPathFactory, describe: Callable[..., Metadata]) -> Path:
    """Export an untrained generator of solids that fill a third of the cube."""
    torch.manual_seed(0)
    settings = {"variant": "cgan", "latent": 5, "generator_channels": 4, "discriminator_channels": 4}
    gan = build(parse_settings(settings), SPEC).train()
    for _ in range(20):  # batch normalisation learns the spread of the maps
        gan.sample(64, torch.Generator().manual_seed(0))
    (spec,) = gan.eval().export()
    path = tmp_path_factory.mktemp("volume") / "generator.onnx"
    metadata = describe(latent=5).model_copy(update={"item": SPEC, "variant": "cgan"})
    export(name_tensors(spec, SPEC), path, metadata.pairs(), 20)
    return path


def test_sample_writes_grids_and_meshes(sculptor: Path, tmp_path: Path) -> None:
    item = Generator(sculptor).sample(1, 3)[0]
    assert 0.1 < (item > 0).mean() < 0.9
    for suffix in (".npy", ".binvox", ".stl", ".glb"):
        sample_to_files(sculptor, tmp_path / f"one{suffix}", Request(n=1, seed=3), folder=False)
        assert (tmp_path / f"one{suffix}").read_bytes() == VOLUME.encode(item, SPEC, suffix).data
    sample_to_files(sculptor, tmp_path / "out", Request(n=2, seed=3), folder=True)
    assert (np.load(tmp_path / "out/0000.npy") == (item > 0)).all()
    sample_to_files(sculptor, tmp_path / "way.gif", Request(n=2, seed=3, steps=3), folder=False)
    with Image.open(tmp_path / "way.gif") as way:
        assert getattr(way, "n_frames", 1) == 6, "to the second solid and back"
    with pytest.raises(InputError, match=r"several volumes do not fit into one \.stl"):
        sample_to_files(sculptor, tmp_path / "two.stl", Request(n=2), folder=False)


def test_volumes_are_served(sculptor: Path) -> None:
    item = Generator(sculptor).sample(1, 9, label=["ball"])[0]
    query: dict[str, str | int] = {"seed": 9, "label": "ball"}
    with TestClient(create_app(InferenceService(FileSource(sculptor), ServeSettings(max_batch=8)))) as client:
        assert client.get("/model.json").json()["item"]["display"] == "html"
        for path, kind in (("/sample.stl", "model/stl"), ("/sample.glb", "model/gltf-binary")):
            mesh = client.get(path, params=query)
            assert (mesh.status_code, mesh.headers["content-type"]) == (200, kind)
            assert mesh.content == VOLUME.encode(item, SPEC, path.removeprefix("/sample")).data
        assert (np.load(io.BytesIO(client.get("/item", params=query).content)) == (item > 0)).all()
        assert client.get("/item.html", params=query).text == VOLUME.html(item, SPEC)
        with Image.open(io.BytesIO(client.get("/image.png", params=query).content)) as picture:
            assert np.asarray(picture).min() < 200
        several = client.get("/sample.stl", params={"n": 2})
        assert (several.status_code, "do not fit into one .stl" in several.text) == (400, True)


DRAWN = """(canvas => {
  const values = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return values.reduce((sum, value, k) => (sum * 31 + value * (k % 4 < 3)) % 1000003, 7);
})(document.querySelector('#between canvas'))"""


def test_a_pointer_and_the_arrow_keys_turn_a_volume(tab: Any, sculptor: Path, running: Any) -> None:
    with running(sculptor) as (url, _):
        tab.size(1280, 800)
        tab.open(f"{url}/")
        tab.until("document.body && document.body.dataset.ready === 'yes'")
        tab.until("document.querySelectorAll('#grid .volume img').length === 24")
        box = tab.run(
            "(r => [r.x + r.width / 2, r.y + r.height / 2])"
            "(document.querySelector('#between .volume').getBoundingClientRect())"
        )
        mouse: dict[str, Any] = {"button": "left", "buttons": 1, "clickCount": 1}
        tab.send("Input.dispatchMouseEvent", type="mousePressed", x=box[0], y=box[1], **mouse)
        first = tab.run(DRAWN)
        tab.send("Input.dispatchMouseEvent", type="mouseMoved", x=box[0] + 40, y=box[1] + 15, **mouse)
        tab.send("Input.dispatchMouseEvent", type="mouseReleased", x=box[0] + 40, y=box[1] + 15, **mouse)
        dragged = tab.run(DRAWN)
        tab.send("Input.dispatchMouseEvent", type="mouseMoved", x=box[0] - 40, y=box[1], button="none")
        assert tab.run(DRAWN) == dragged != first
        tab.run(
            "document.querySelector('#between .volume').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft'}))"
        )
        assert tab.run(DRAWN) not in (first, dragged)
        assert tab.problems == []
        assert all(each.startswith((url, "blob:", "data:")) for each in tab.requested)
        tab.picture(tab.folder / "volumes.png")
