"""Images by URL equal those of `ganline sample`."""

import base64
import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from pipeline.media.sheet import grid
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.interpolation import loop, spherical


@pytest.fixture(scope="module")
def styled(styled_graph: Any, running: Any) -> Iterator[str]:
    with running(styled_graph.path, max_images=100) as (url, _):
        yield url


@pytest.fixture(scope="module")
def colour(labelled_graph: Any, running: Any) -> Iterator[str]:
    with running(labelled_graph.path) as (url, _):
        yield url


def picture(url: str, path: str = "image.png", **query: Any) -> Any:
    answer = httpx.get(f"{url}/{path}", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/" + path.rpartition(".")[2]
    assert answer.headers["x-model-version"]
    assert answer.headers["server-timing"].startswith("draw;dur=")
    return Image.open(io.BytesIO(answer.content))


def test_one_image_is_returned_as_it_is_and_several_as_the_sheet_of_sample(styled: str, styled_graph: Any) -> None:
    generator = Generator(styled_graph.path)
    one = picture(styled, seed=7, label="kind 3", psi=0.7)
    assert np.array_equal(np.asarray(one), generator.sample(1, 7, label=["kind 3"], psi=0.7)[0, :, :, 0])
    sheet = picture(styled, seed=7, n=16, label=["2", "kind 5", "kind 9"])
    assert np.array_equal(
        np.asarray(sheet), np.asarray(grid(generator.sample(16, 7, label=["2", "kind 5", "kind 9"]), 3))
    )
    assert np.array_equal(
        np.asarray(picture(styled, seed=2**64 - 1, n=5, columns=2)), np.asarray(grid(generator.sample(5, 2**64 - 1), 2))
    )


def test_rgb_images_of_all_classes_by_default(colour: str, labelled_graph: Any) -> None:
    assert np.array_equal(
        np.asarray(picture(colour, seed=3, n=12)), np.asarray(grid(Generator(labelled_graph.path).sample(12, 3), 5))
    )


def test_an_item_is_a_file_and_an_element(styled: str) -> None:
    query: dict[str, Any] = {"seed": 7, "label": "kind 3", "towards": 9, "mix": 0.3}
    image = httpx.get(f"{styled}/image.png", params=query).content
    file, element = (httpx.get(f"{styled}/{path}", params=query) for path in ("item", "item.html"))
    assert (file.content, file.headers["content-type"]) == (image, "image/png")
    assert file.headers["x-model-version"]
    encoded = re.fullmatch(r'<img .*src="data:image/png;base64,([^"]+)".*>', element.text)
    assert encoded is not None
    assert base64.b64decode(encoded[1]) == image
    assert httpx.get(f"{styled}/item?n=2").status_code == 422


def test_towards_interpolates_along_the_great_circle(styled: str, styled_graph: Any) -> None:
    generator = Generator(styled_graph.path)
    z = spherical(generator.latents(4, 0, 1)[0], generator.latents(9, 0, 1)[0], [0.0, 0.3, 1.0])
    expected = generator.generate(z, generator.conditions(label=["1"]))[:, :, :, 0]
    found = [np.asarray(picture(styled, seed=4, towards=9, mix=mix, label=1)) for mix in (0, 0.3, 1)]
    assert np.array_equal(np.stack(found), expected)


def test_the_loop_repeats_forever(styled: str, styled_graph: Any) -> None:
    generator = Generator(styled_graph.path)
    found = picture(styled, "interpolate.gif", seed=5, n=3, steps=4, label="kind 2", psi=0.5)
    assert found.n_frames == 12
    assert found.info["loop"] == 0
    drawn = generator.generate(loop(generator.latents(5, 0, 3), 4), generator.conditions(label=["kind 2"], psi=0.5))
    for number in (0, 5, 11):
        found.seek(number)
        assert np.array_equal(np.asarray(found.convert("L")), np.asarray(grid(drawn[number : number + 1], None, 256)))
    several = picture(styled, "interpolate.gif", n=2, steps=2, label=["1", "2", "3"])
    assert several.n_frames == 4
    assert picture(styled, "interpolate.gif").size == (134, 68), (
        "two of thirty classes: 2 x 48 frames fit into a request of at most 100 images"
    )


def test_a_seed_gives_the_same_image_regardless_of_concurrent_requests(styled: str) -> None:
    alone = {
        seed: httpx.get(f"{styled}/image.png", params={"seed": seed, "n": 1 + seed % 4}).content for seed in range(24)
    }
    with ThreadPoolExecutor(12) as pool:
        together = list(
            pool.map(
                lambda seed: (
                    httpx.get(f"{styled}/image.png", params={"seed": seed % 24, "n": 1 + seed % 24 % 4}).content
                ),
                range(120),
            )
        )
    assert all(content == alone[number % 24] for number, content in enumerate(together))


def test_the_model_describes_itself(styled: str, colour: str) -> None:
    description = httpx.get(f"{styled}/model.json").json()
    assert (description["variant"], description["resolution"], description["psi"], description["max_images"]) == (
        "stylegan2",
        8,
        True,
        100,
    )
    assert description["classes"][29] == "kind 29"
    item = {"medium": "image", "noun": "image", "shape": [8, 8, 1], "display": "image"}
    assert description["item"] == item | {"mime_type": "image/png", "suffix": ".png"}
    label, psi = description["controls"]
    assert (label["name"], label["widget"], label["choices"][29]) == ("label", "choice", "kind 29")
    assert (psi["name"], psi["widget"]) == ("psi", "range")
    assert [psi[key] for key in ("minimum", "maximum", "step", "value")] == [0, 1.5, 0.05, 1]
    other = httpx.get(f"{colour}/model.json").json()
    assert (other["psi"], [control["name"] for control in other["controls"]]) == (False, ["label"])


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("seed=-1", 422, "query.seed"),
        (f"seed={2**64}", 422, "query.seed"),
        (f"seed={'9' * 5000}", 422, "query.seed"),
        ("seed=seven", 422, "query.seed"),
        ("n=0", 422, "query.n"),
        ("n=101", 422, "less than or equal to 100"),
        ("psi=nan", 422, "query.psi"),
        ("psi=2", 422, "query.psi"),
        ("sed=7", 422, "query.sed: Extra inputs"),
        ("label=kind+99", 400, "no class 'kind 99'. Did you mean"),
        ("label=" + "x" * 201, 422, "query.label"),
        ("&".join(["label=1"] * 65), 422, "query.label"),
        ("label=%00%FF", 400, "no class"),
        ("mix=1.1", 422, "query.mix"),
    ],
)
def test_invalid_queries_get_a_message(styled: str, query: str, status: int, words: str) -> None:
    answer = httpx.get(f"{styled}/image.png?{query}")
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_requests_beyond_the_limits(styled: str, colour: str) -> None:
    answer = httpx.get(f"{styled}/interpolate.gif?n=20&steps=12&label=1")
    assert (answer.status_code, answer.json()["error"][:30]) == (400, "240 images exceed the limit of")
    answer = httpx.get(f"{colour}/image.png?psi=1")
    assert (answer.status_code, "(dcgan) takes no psi" in answer.text) == (400, True)
