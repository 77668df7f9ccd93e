"""The mean image tells whether all samples are mirrored, turned, shifted, or have swapped channels, and undoes it."""

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.arrays import Items
from pipeline.items import ItemSpec
from pipeline.media.image.placement import placement

SPEC = ItemSpec(height=32, width=32, channels=3)


def pictures(n: int, seed: int) -> Items:
    """Return noisy pictures of an orange L on blue, whose mean has no symmetry."""
    out = np.random.default_rng(seed).normal([60, 80, 140], 20, (n, 32, 32, 3))
    out[:, 6:24, 8:12] += [150, 60, -40]
    out[:, 20:24, 8:20] += [150, 60, -40]
    return np.clip(out, 0, 255).astype(np.uint8)


def mean(images: Items) -> np.ndarray:
    return np.asarray(placement(SPEC).values(images).mean(axis=0, dtype=np.float64))


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        (lambda x: x[:, :, ::-1], "mirrored", "mirrored left to right"),
        (lambda x: x[:, ::-1], "upside down", "mirrored top to bottom"),
        (lambda x: x[:, ::-1, ::-1], "rotated", "rotated by 180 degrees"),
        (lambda x: np.rot90(x, 1, (1, 2)), "rotated", "rotated by 90 degrees to the left"),
        (lambda x: np.rot90(x, -1, (1, 2)), "rotated", "rotated by 90 degrees to the right"),
        (lambda x: np.roll(x, (4, -2), (1, 2)), "shifted", "shifted by 4 px down and 2 px to the left"),
        (lambda x: x[..., ::-1], "swapped colours", "red is blue, blue is red"),
    ],
)
def test_a_change_of_all_images_is_named_and_undone(change: Callable[[Items], Items], name: str, words: str) -> None:
    real, fresh = pictures(100, 0), pictures(100, 1)
    one, changed = placement(SPEC), change(fresh)
    assert one.compare(mean(changed), mean(real)) > 2
    assert one.change is not None
    found = one.change(mean(changed), mean(real))
    assert found is not None
    assert (found.name, found.words, found.harmless) == (name, words, False)
    inner = (slice(None), slice(4, -4), slice(4, -4))
    assert np.array_equal(found.undo(changed)[inner], fresh[inner])


def test_real_images_and_noisy_ones_are_not_changed() -> None:
    real = mean(pictures(100, 0))
    for fake in (pictures(100, 1), pictures(100, 2) // 2 + 60):
        assert placement(SPEC).compare(mean(fake), real) == 0


def test_a_shift_by_one_pixel_is_harmless_in_images_that_are_not_tiny() -> None:
    real, one = mean(pictures(100, 0)), placement(SPEC)
    assert one.change is not None
    shifted = one.change(mean(np.roll(pictures(100, 1), (1, 1), (1, 2))), real)
    assert shifted is not None
    assert shifted.harmless
    assert shifted.words == "shifted by 1 px down and 1 px to the right"
    far = one.change(mean(np.roll(pictures(100, 1), (2, 0), (1, 2))), real)
    assert far is not None
    assert not far.harmless
    tiny = placement(ItemSpec(height=16, width=16, channels=3))
    assert tiny.change is not None
    small = (pictures(100, k).reshape(100, 16, 2, 16, 2, 3).mean(axis=(2, 4)).astype(np.uint8) for k in (0, 1))
    first, second = (tiny.values(images).mean(axis=0, dtype=np.float64) for images in small)
    found = tiny.change(np.roll(second.reshape(16, 16, 3), 1, 0).ravel(), first)
    assert found is not None
    assert not found.harmless
