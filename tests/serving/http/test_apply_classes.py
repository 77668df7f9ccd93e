"""POST /apply and the page with a model that translates between classes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from pipeline.serving.runtime.image_to_image import ImageToImage, draw_strip
from tests.serving.http.test_apply_routes import decoded, encoded, picture
from tests.serving.http.test_pages import READY, give, set_to, shows_after


@pytest.fixture(scope="module")
def url(class_folder: Path, running: Any) -> Iterator[str]:
    with running(class_folder / "generator.onnx") as (address, _):
        yield address


@pytest.fixture(scope="module")
def model(class_folder: Path) -> ImageToImage:
    return ImageToImage(class_folder / "generator.onnx")


def strip_of(model: ImageToImage, data: bytes) -> Any:
    source = model.decode(data)
    results = [model(source.values, conditions=model.conditions(0, name)) for name in model.classes]
    return np.asarray(draw_strip(model, source, results))


def test_the_label_chooses_the_class(url: str, model: ImageToImage) -> None:
    body = encoded(picture(16, 16))
    for query, label in (("label=summer", "summer"), ("label=2&seed=5", "2"), ("label=old+winter", "2")):
        found = decoded(httpx.post(f"{url}/apply?{query}", content=body))
        seed = 5 if "seed" in query else 0
        assert np.array_equal(found, model(picture(16, 16), conditions=model.conditions(seed, label)))
    found = decoded(httpx.post(f"{url}/apply?label=all", content=body))
    assert np.array_equal(found, strip_of(model, body))
    assert httpx.get(f"{url}/model.json").json()["classes"] == ["spring", "summer", "old winter"]


def test_missing_and_wrong_classes_are_client_errors(url: str) -> None:
    body = encoded(picture(16, 16))
    for query, words in (("", "needs a class to translate to"), ("?label=sumer", "Did you mean 'summer'")):
        answer = httpx.post(f"{url}/apply{query}", content=body)
        assert answer.status_code == 400
        assert words in answer.json()["error"]


def test_the_page_shows_all_classes_of_a_picture_or_one(tab: Any, url: str, model: ImageToImage) -> None:
    tab.size(1280, 800)
    tab.open(f"{url}/")
    tab.until(READY)
    gray = np.repeat(picture(16, 16)[..., :1], 3, axis=2)
    give(tab, gray, "a.png", "choose")
    shows_after(tab, strip_of(model, encoded(gray))[:, :, 0].ravel())
    assert tab.run("document.getElementById('after-size').textContent") == "input, spring, summer, old winter"
    set_to(tab, "target", 1)
    shows_after(tab, model(gray, conditions=model.conditions(0, "summer"))[:, :, 0].ravel())
    assert tab.problems == []
