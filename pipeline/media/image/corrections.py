"""Remove a fault that all samples have, so that they can be measured without it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Float64Array

TONES_OF = 2_000
"""Real images whose gray levels samples are given, at most."""


def match_tones(data: Any) -> Any:
    """Return the samples with the gray levels of real images: one curve for all pixels gives them the same shares."""
    real = data.compared.real.items
    images = [
        np.asarray(items) for items in (data.compared.fake.images(), real.images(np.arange(min(len(real), TONES_OF))))
    ]
    levels = np.iinfo(images[0].dtype).max + 1
    ours, theirs = (np.bincount(each.ravel(), minlength=levels).cumsum() / each.size for each in images)
    # The middle of the share that a level covers, so that a level of many pixels is not moved to the next one.
    middle = ours - np.diff(ours, prepend=0) / 2
    curve = np.minimum(np.searchsorted(theirs, middle), levels - 1).astype(images[0].dtype)
    return data.with_items(curve[images[0]])


def without_pattern(data: Any) -> Any:
    """Return the samples without the pattern of two pixels that they have in common and real images have not.

    The difference of the mean images is demodulated: times a pattern and smoothed, it is the strength of the pattern at
    each place.
    """
    from scipy.ndimage import uniform_filter

    samples, real = data.compared.fake.images(), data.compared.real.items
    means = [batch_mean(samples, np.arange(len(samples))), batch_mean(real, np.arange(len(real)))]
    difference = means[0] - means[1]
    height, width = difference.shape[:2]
    rows, columns = np.indices((height, width))
    pattern = np.zeros_like(difference)
    for phase in (rows, columns, rows + columns):
        sign = (1.0 - 2.0 * (phase % 2))[:, :, None]
        pattern += sign * uniform_filter(difference * sign, size=(4, 4, 1), mode="reflect")
    most = np.iinfo(samples.dtype).max
    images = np.clip(np.rint(samples - pattern), 0, most).astype(samples.dtype)
    return data.with_items(images)


def batch_mean(items: Any, positions: npt.NDArray[np.int64]) -> Float64Array:
    """Return the mean of images, [H, W, C], 1,000 of which are in memory at a time."""
    parts = np.array_split(positions, max(1, len(positions) // 1000))
    get = items.images if hasattr(items, "images") else lambda part: items[part]
    sums = [get(part).sum(axis=0, dtype=np.float64) for part in parts]
    total: Float64Array = np.sum(sums, axis=0)
    return total / len(positions)
