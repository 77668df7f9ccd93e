"""Colours within patches next to those of a partner, by closed forms."""

import numpy as np
import pytest

from pipeline.arrays import UInt8Array
from pipeline.media.image.patches import patch_excess


def flat(red: int, green: int, blue: int) -> UInt8Array:
    """Return an image of one colour, [1, 32, 32, 3]."""
    return np.full((1, 32, 32, 3), (red, green, blue), dtype=np.uint8)


def striped(step: int) -> UInt8Array:
    """Return an image whose red changes by `step` from column to column."""
    image = flat(100, 100, 100)
    image[:, :, 1::2, 0] += np.uint8(step)
    return image


def test_equal_images_have_no_excess() -> None:
    assert patch_excess(striped(40), striped(40)).tolist() == [0]


def test_brightness_is_no_colour() -> None:
    image = flat(100, 100, 100)
    image[:, :, 1::2] = 160
    assert patch_excess(image, flat(100, 100, 100))[0] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("step", [3, 30, 90])
def test_stripes_of_red_have_their_standard_deviation(step: int) -> None:
    # Red has 1 / sqrt(2) on the first axis of colour and 1 / sqrt(6) on the second; stripes deviate by half a step.
    wanted = step / 2 * np.sqrt(1 / 2 + 1 / 6)
    assert patch_excess(striped(step), flat(5, 200, 10))[0] == pytest.approx(wanted, rel=1e-5)
    assert patch_excess(flat(5, 200, 10), striped(step))[0] == pytest.approx(-wanted, rel=1e-5)


def test_another_colour_of_the_whole_image_is_no_patch() -> None:
    assert patch_excess(flat(200, 30, 30), flat(10, 10, 250))[0] == pytest.approx(0, abs=1e-4)


def test_each_pair_is_measured_by_itself() -> None:
    images = np.concatenate([striped(40), flat(1, 2, 3)])
    partners = np.concatenate([flat(9, 9, 9), flat(1, 2, 3)])
    first, second = patch_excess(images, partners)
    assert first > 15
    assert second == pytest.approx(0, abs=1e-4)
