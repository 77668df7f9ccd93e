"""Copies are found through the augmentations that training applies, and real images raise no alarm."""

import numpy as np
import pytest

from pipeline.arrays import UInt8Array
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.evaluation.measures.augmented_copies import ItemSets, measure_augmented_copies
from pipeline.items import ItemSpec
from pipeline.measure import Measurement

ITEM = ItemSpec(height=8, width=8, channels=1)


def draw_digits(seed: int) -> tuple[UInt8Array, UInt8Array, UInt8Array]:
    """Return 600 new images, 360 held-out ones and the training images."""
    from sklearn.datasets import load_digits

    images = np.rint(load_digits().images * 255 / 16).astype(np.uint8)[..., None]
    images = images[np.random.default_rng(seed).permutation(len(images))]
    return images[:600], images[600:960], images[960:]


def measure(fake: UInt8Array, heldout: UInt8Array, train: UInt8Array, item: ItemSpec = ITEM) -> Measurement:
    return measure_augmented_copies(ItemSets(ArrayItems(fake), ArrayItems(heldout), ArrayItems(train), item, 256))


def is_blocked(found: Measurement) -> bool:
    """Return whether the test fails with the default bound and significance."""
    assert isinstance(found.value, float)
    assert found.null is not None
    assert found.z is not None
    return found.value > found.null + 0.02 and found.z > 5


def augment(images: UInt8Array, way: str) -> UInt8Array:
    if way == "mirrored":
        return images[:, :, ::-1]
    if way == "upside down":
        return images[:, ::-1]
    if way == "shifted":
        return np.roll(images, (1, 1), (1, 2))
    if way == "mirrored and shifted":
        return np.roll(images[:, :, ::-1], (0, -1), (1, 2))
    return np.clip(images.astype(np.int64) + 15, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("way", ["mirrored", "upside down", "shifted", "mirrored and shifted", "brighter"])
def test_a_tenth_of_augmented_copies_is_blocked(way: str) -> None:
    fake, heldout, train = draw_digits(0)
    fake[::10] = augment(train[: len(fake[::10])], way)
    assert is_blocked(measure(fake, heldout, train))


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(40), marks=pytest.mark.slow)])
def test_real_images_raise_no_alarm(seeds: range) -> None:
    for seed in seeds:
        fake, heldout, train = draw_digits(seed)
        assert not is_blocked(measure(fake, heldout, train))


def test_symmetrical_data_raise_no_alarm() -> None:
    """Mirror images are alike there, of held-out images as well."""
    fake, heldout, train = (np.maximum(part, part[:, :, ::-1]) for part in draw_digits(1))
    assert not is_blocked(measure(fake, heldout, train))
    fake[::10] = train[: len(fake[::10])]
    assert is_blocked(measure(fake, heldout, train))


def test_small_data_is_calibrated_by_leaving_images_out() -> None:
    fake, _, train = draw_digits(2)
    heldout, train = train[:60], train[60:300]
    assert not is_blocked(measure(fake, heldout, train))
    assert is_blocked(measure(augment(train, "mirrored"), heldout, train))
    assert measure(fake[:99], heldout, train).skip.startswith("only 99 finite samples")


def test_colours_and_other_shapes() -> None:
    rng = np.random.default_rng(0)
    for height, width, channels in ((30, 14, 3), (1, 40, 1)):
        item = ItemSpec(height=height, width=width, channels=channels)
        fake, heldout, train = (
            rng.integers(0, 256, (n, height, width, channels), dtype=np.uint8) for n in (200, 150, 300)
        )
        assert not is_blocked(measure(fake, heldout, train, item))
        assert is_blocked(measure(train[:200, :, ::-1], heldout, train, item))
