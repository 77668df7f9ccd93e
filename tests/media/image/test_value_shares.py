"""Shares of the images with a value at a pixel: they show a mark on some samples, and nothing else."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.arrays import Items
from pipeline.items import ItemSpec
from pipeline.media.image.value_shares import value_shares

SPEC = ItemSpec(height=32, width=32, channels=1)
N = 400


def draw(seed: int, spec: ItemSpec = SPEC) -> Items:
    """Return smooth blots on a dark background, whose values vary at every pixel."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 200, (N, 4, 4, spec.channels)).astype(np.float32)
    large = coarse.repeat(spec.height // 4, 1).repeat(spec.width // 4, 2)
    return np.clip(large + rng.normal(0, 4, large.shape), 0, 255).astype(np.uint8)


def compare(samples: Items, real: Items, spec: ItemSpec = SPEC) -> float:
    profile = value_shares(spec)
    return profile.compare(*(profile.values(items).mean(axis=0).astype(np.float64) for items in (samples, real)))


def mark(images: Items, share: float) -> Items:
    out, count = images.copy(), round(share * len(images))
    out[:count, 1:4, -4:-1] = 255
    return out


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_mark_shows_with_the_share_of_the_images_that_have_it(share: float) -> None:
    assert compare(mark(draw(0), share), draw(1)) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: np.roll(x, 1, axis=2),
        lambda x: np.clip(x.astype(int) + 12, 0, 255).astype(np.uint8),
        lambda x: mark(x, 0.01),
    ],
    ids=["other real images", "shifted by a pixel", "a little brighter", "a mark on one of a hundred"],
)
def test_what_is_like_real_images_shows_nothing(change: Callable[[Items], Items]) -> None:
    assert compare(change(draw(0)), draw(1)) < 0.03


def test_real_images_with_the_same_mark_explain_it() -> None:
    assert compare(mark(draw(0), 0.1), mark(draw(1), 0.12)) < 0.03


def test_a_share_counts_once_for_each_image() -> None:
    """The values of an image are 1 in one bin of each pixel: they sum to the number of pixels."""
    values = value_shares(SPEC).values(draw(0)[:3])
    assert values.shape == (3, 32 * 32 * 32)
    assert values.reshape(3, -1, 32).sum(axis=2) == pytest.approx(1)
    extremes = np.stack([np.zeros((32, 32, 1)), np.full((32, 32, 1), 255)]).astype(np.uint8)
    black, white = value_shares(SPEC).values(extremes).reshape(2, -1, 32)
    assert black[:, 0].all()
    assert white[:, 31].all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_large_and_deep_images_have_maps_of_the_same_size(dtype: type[np.unsignedinteger]) -> None:
    spec = ItemSpec(height=128, width=96, channels=3)
    images: NDArray[np.unsignedinteger] = np.full((2, 128, 96, 3), np.iinfo(dtype).max, dtype=dtype)
    values = value_shares(spec).values(images)
    assert values.shape == (2, 32 * 24 * 3 * 32)
    assert values.reshape(2, -1, 32)[..., 31].all()


def test_the_place_and_the_value_are_described() -> None:
    profile = value_shares(SPEC)
    means = [profile.values(items).mean(axis=0).astype(np.float64) for items in (mark(draw(0), 0.25), draw(1))]
    assert profile.describe is not None
    words = profile.describe(*means)
    assert words.startswith("25 % of the samples have a value of 248 to 255 at row "), words
    assert "of 32 x 32; 0 % of the real images have a similar value near there" in words


def test_the_picture_shows_the_mark_and_its_value() -> None:
    profile = value_shares(SPEC)
    means = [profile.values(items).mean(axis=0).astype(np.float64) for items in (mark(draw(0), 0.25), draw(1))]
    assert profile.draw is not None
    where, value = profile.draw(*means)[..., 0]
    assert (where[1:4, -4:-1] == 255).all()
    assert np.delete(where, range(1, 4), axis=0).max() < 51
    assert (value[1:4, -4:-1] == 252).all()
    assert not np.delete(value, range(1, 4), axis=0).any()
