"""The perceptual distance is 0 for equal images and rises with the strength of every corruption."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pipeline.arrays import UInt8Array
from pipeline.evaluation.measures.perceptual_distance import perceptual_distances
from pipeline.media.image.patches import patch_errors


def pictures(n: int, channels: int = 3) -> UInt8Array:
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.normal(size=(n, 32, 32, channels)), (0, 3, 3, 0)) * 900
    return clip(128 + smooth + 40 * (smooth > 20))


def clip(values: Any) -> UInt8Array:
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


CHECKERS = (np.indices((32, 32)).sum(axis=0) % 2 * 2 - 1)[None, :, :, None]
Change = Callable[[UInt8Array, float], Any]
CORRUPTIONS: dict[str, tuple[Change, tuple[float, ...]]] = {
    "noise": (lambda x, sigma: x + np.random.default_rng(1).normal(0, sigma, x.shape), (3, 12, 40)),
    "blur": (lambda x, sigma: gaussian_filter(x.astype(float), (0, sigma, sigma, 0)), (0.6, 1, 3)),
    "checkerboard": (lambda x, size: x + size * CHECKERS, (3, 12, 40)),
    "tint": (lambda x, size: x + size * np.array([1, -0.5, -0.5]), (5, 20, 60)),
    "crossfade": (lambda x, share: x * (1 - share) + share * np.roll(x, 1, axis=0), (0.1, 0.4, 1)),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_stronger_corruptions_are_farther(name: str) -> None:
    images, (change, strengths) = pictures(8), CORRUPTIONS[name]
    for distance in (perceptual_distances, patch_errors):
        found = [distance(clip(change(images, strength)), images).mean() for strength in strengths]
        assert found == sorted(found), distance
        assert found[0] > 0 or distance is patch_errors


def test_equal_images_have_no_distance() -> None:
    gray = pictures(3, channels=1)
    assert perceptual_distances(gray, gray).tolist() == [0, 0, 0]
    assert patch_errors(gray, gray).tolist() == [0, 0, 0]
    assert patch_errors(gray // 2, gray // 2 + 10).tolist() == [10, 10, 10]
    assert perceptual_distances(gray[:0], gray[:0]).shape == (0,)
