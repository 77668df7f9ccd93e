"""A medium that is no image and has categories: exported, sampled and served without a change in the package."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image
from torch import Tensor, nn

from pipeline.arrays import Items
from pipeline.gans.base import ExportSpec
from pipeline.items import ItemSpec
from pipeline.media.registry import MEDIA
from pipeline.serving.graph_tensors import latents
from pipeline.serving.http.application import create_app
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.model_source import FileSource
from pipeline.serving.onnx.graph_export import export
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.onnx.parity import check_parity
from pipeline.serving.onnx.signature import describe_graph
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.sample_files import Request, sample_to_files
from pipeline.serving.settings import ServeSettings
from tests.toy import toy

SYMBOLS = 5
SPEC = ItemSpec(
    medium="letters", height=6, width=10, channels=2, dtype="uint16", symbols=SYMBOLS, classes=("vowels", "all")
)


class Letters(toy.Letters):
    """Two blocks of 6 lines of 10 letters, with another noun."""

    noun = "letter"


class Writer(nn.Module):
    """z [B, 7] and label [B] -> one map per channel and symbol, [B, 10, 6, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.write = nn.Embedding(2, 7), nn.Linear(7, 10 * 60)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        maps = self.write(z + self.embed(label)).reshape(-1, 2, SYMBOLS, 6, 10)
        return torch.softmax(3 * maps, dim=2).reshape(-1, 10, 6, 10)


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Letters:
    medium = Letters()
    monkeypatch.setitem(MEDIA, "letters", medium)
    return medium


@pytest.fixture
def writer(letters: Letters, tmp_path: Path, describe: Callable[..., Metadata]) -> Path:
    torch.manual_seed(8)
    inputs = {"z": torch.zeros(2, 7), "label": torch.zeros(2, dtype=torch.int64)}
    spec = ExportSpec("generator", Writer().eval(), inputs, ("blocks",))
    path = tmp_path / "generator.onnx"
    export(spec, path, describe(latent=7).model_copy(update={"item": SPEC}).pairs(), 20)
    assert check_parity(spec, path, 1e-5, SPEC).max_abs < 1e-5
    return path


def expected(path: Path, seed: int, n: int, label: int) -> Items:
    session = Generator(path).session
    maps = session.run(["blocks"], {"z": latents(seed, 0, n, 7), "label": np.full(n, label)})[0]
    items: Items = maps.reshape(n, 2, SYMBOLS, 6, 10).argmax(2).transpose(0, 2, 3, 1).astype(np.uint16)
    return items


def test_the_signature_explains_the_maps(writer: Path) -> None:
    (output,) = describe_graph(writer, SPEC)["outputs"]
    assert (output["name"], output["shape"], output["range"]) == ("blocks", [-1, 10, 6, 10], None)
    assert output["meaning"] == "letters NCHW, one map per channel and symbol; the symbol is that of the largest value"


def test_sample_writes_files_of_the_medium(writer: Path, letters: Letters, tmp_path: Path) -> None:
    items = Generator(writer).sample(5, 3, label=["all"])
    assert (items.shape, items.dtype.name) == ((5, 6, 10, 2), "uint16")
    assert np.array_equal(items, expected(writer, 3, 5, 1))
    request = Request(n=5, seed=3, conditions={"label": ["all"]})
    assert sample_to_files(writer, tmp_path / "out", request, folder=True).startswith("5 letters, seed 3")
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in files] == [f"{index:04d}.letters" for index in range(5)]
    assert [file.read_text() for file in files] == [letters.text(item) for item in items]
    for output, steps in (("sheet.png", None), ("strips.png", 3), ("loop.gif", 3)):
        sample_to_files(writer, tmp_path / output, Request(n=4, steps=steps), folder=False)
        with Image.open(tmp_path / output) as picture:
            assert picture.width == SPEC.width


def test_it_is_served(writer: Path, letters: Letters) -> None:
    with TestClient(create_app(InferenceService(FileSource(writer), ServeSettings(max_batch=8)))) as client:
        description = client.get("/model.json").json()
        assert description["item"] == {
            "medium": "letters",
            "noun": "letter",
            "shape": [6, 10, 2],
            "display": "html",
            "mime_type": "text/plain; charset=utf-8",
            "suffix": ".letters",
        }
        assert [control["choices"] for control in description["controls"]] == [["vowels", "all"]]
        item = expected(writer, 9, 1, 0)[0]
        query = {"seed": 9, "label": "vowels"}
        file, element, picture = (client.get(path, params=query) for path in ("/item", "/item.html", "/image.png"))
        assert (file.text, file.headers["content-type"]) == (letters.text(item), "text/plain; charset=utf-8")
        assert element.text == f"<pre>{letters.text(item)}</pre>"
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture.content))), item[..., 0] * 50)
        assert client.get("/interpolate.gif", params={"n": 2, "steps": 2}).status_code == 200
        tensors = client.get("/v2/models/generator").json()["outputs"]
        assert tensors == [{"name": "blocks", "datatype": "FP32", "shape": [-1, 10, 6, 10]}]
        answer = client.post("/apply", content=b"abc")
        assert (answer.status_code, "takes no letters, it generates them" in answer.text) == (400, True)
