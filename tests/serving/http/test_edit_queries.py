"""Edits by URL: items equal those of `ganline sample --edit`, in z and in styles."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from pipeline.media.sheet import grid
from pipeline.serving.runtime.directions import read_directions
from pipeline.serving.runtime.edited_generator import EditedGenerator
from pipeline.serving.runtime.generator import Generator
from tests.serving.http.test_pages import PIXELS
from tests.serving.style_pair import export_pair, write_directions
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def plain(plain_graph: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The DCGAN with directions along two axes of z."""
    path = tmp_path_factory.mktemp("plain") / "generator.onnx"
    shutil.copy(plain_graph.path, path)
    write_directions(path.parent, plain_graph.metadata, "z", np.eye(24)[:2])
    return path


@pytest.fixture(scope="module")
def styled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_pair(tmp_path_factory.mktemp("styles"))


@pytest.fixture(scope="module", params=["plain", "styled"])
def served(request: pytest.FixtureRequest, running: Any) -> Iterator[tuple[str, Path]]:
    path = request.getfixturevalue(request.param)
    with running(path) as (url, _):
        yield url, path


def edited(path: Path, *edits: str) -> EditedGenerator:
    generator = Generator(path)
    found = read_directions(path.with_name("directions.json"), generator.metadata)
    return EditedGenerator(generator, found.shift(edits))


def pixels(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_edits_by_url_equal_those_of_sample(served: tuple[str, Path]) -> None:
    url, path = served
    expected = edited(path, "slant=1.5", "class-7=-2").sample(10, 7)
    for edits in (["slant=1.5", "class-7=-2"], ["slant=1.5,class-7=-2"]):
        sheet = pixels(httpx.get(f"{url}/image.png", params={"seed": 7, "n": 10, "columns": 5, "edit": edits}))
        assert np.array_equal(sheet, np.asarray(grid(expected, 5)))
    one = pixels(httpx.get(f"{url}/item?seed=7&edit=slant=+1.5,class-7=-2"))
    assert np.array_equal(one, expected[0, :, :, 0]), "an unescaped plus is a space"
    assert not np.array_equal(one, pixels(httpx.get(f"{url}/item?seed=7")))


def test_the_description_lists_the_directions_and_their_effect(served: tuple[str, Path]) -> None:
    described = httpx.get(f"{served[0]}/model.json").json()["directions"]
    assert described[0] == {"name": "slant", "main": "slant", "per_step": 0.8}
    assert [one["name"] for one in described] == ["slant", "class-7"]


def test_edits_are_part_of_the_etag(served: tuple[str, Path]) -> None:
    tags = {httpx.get(f"{served[0]}/item?seed=7&edit={edit}").headers["etag"] for edit in ("slant=1", "slant=2", "")}
    assert len(tags) == 3


@pytest.mark.parametrize("edit", ["slnt=1", "slant", "slant=20"])
def test_unusable_edits_are_refused(served: tuple[str, Path], edit: str) -> None:
    answer = httpx.get(f"{served[0]}/item", params={"edit": edit})
    assert answer.status_code == 400
    assert f"--edit {edit}" in answer.json()["error"].replace("'", "")


def test_a_model_without_directions_offers_no_edits(plain: Path, tmp_path: Path, running: Any) -> None:
    """A file for another model is ignored."""
    shutil.copy(plain, tmp_path)
    other = Generator(plain).metadata.model_copy(update={"mlflow_run": "0" * 32})
    write_directions(tmp_path, other, "z", np.eye(24)[:2])
    with running(tmp_path / "generator.onnx") as (url, _):
        assert httpx.get(f"{url}/model.json").json()["directions"] == []
        answer = httpx.get(f"{url}/item?edit=slant=1")
        assert answer.status_code == 400
        assert "no directions to edit along. Run `ganline directions`" in answer.json()["error"]


def test_a_slider_of_the_page_edits_the_items(tab: Any, styled: Path, running: Any) -> None:
    image = "document.querySelector('#grid button:nth-child(3) img')"
    show = f"(i => [...i.src].length && i.naturalWidth)({image})"
    expected = edited(styled, "class-7=-1.5").sample(1, 2, label=["0"]).ravel()
    with running(styled) as (url, _):
        tab.open(f"{url}/")
        tab.until(f"document.body && document.body.dataset.ready === 'yes' && {show} === 8")
        before = np.array(tab.run(f"{PIXELS}({image})"))
        assert np.array_equal(before, Generator(styled).sample(1, 2, label=["0"]).ravel())
        tab.run("document.getElementById('edits').open = true")
        slider = "document.querySelector('[data-direction=class-7]')"
        tab.run(f"(e => {{ e.value = -1.5; e.dispatchEvent(new Event('input')) }})({slider})")
        wait_until(lambda: np.array_equal(np.array(tab.run(f"{PIXELS}({image})")), expected), "no edit is shown")
        assert (
            tab.run("document.querySelector('[data-direction=class-7]').previousSibling.textContent") == "class-7-1.5"
        )
        assert tab.problems == []
