"""Measure how much the items of a class differ in pixels: a truncated generator draws only the typical ones.

A classifier brings the items of a class together, so its features hardly show what truncation removes. Pixels do.
"""

import numpy as np
import torch
from torch.nn import functional as F

from pipeline.arrays import Float32Array, Float64Array, Int64Array
from pipeline.evaluation.extractors.base import Images, feature_values
from pipeline.items import ItemSpec
from pipeline.measure import Measurement
from pipeline.media.registry import tensors_of

SIDE = 8
"""Largest side of the reduced items: fine detail, such as noise, does not count."""

FEWEST = 10  # items of a class on either side
MOST = 500  # items of a class on either side
MOST_CLASSES = 100
DRAWS = 20
BATCH = 1024


def reduce(items: Images, item: ItemSpec) -> Float32Array:
    """Return items reduced to at most 8 x 8 means, float32 [n, d]."""
    tensors = tensors_of(item)
    sides = min(tensors.feature_item.height, SIDE), min(tensors.feature_item.width, SIDE)
    parts = []
    for start in range(0, len(items), BATCH):
        positions = np.arange(start, min(start + BATCH, len(items)))
        values = feature_values(items.images(positions), tensors, torch.device("cpu"))
        parts.append(F.adaptive_avg_pool2d(values, sides).flatten(1).numpy())
    return np.concatenate(parts)


def class_spread(
    fake: Float32Array, fake_labels: Int64Array, real: Float32Array, labels: Int64Array, *, seed: int
) -> Measurement:
    """Return the total variance within classes relative to real items, with its null: the mean over the classes.

    Each draw splits the real items of a class into halves. The null divides the variance of one half by that of the
    other; samples take the place of the first half.

    Args:
        fake: Reduced samples, [n, d].
        fake_labels: Classes that the samples show, [n].
        real: Reduced real items, [m, d].
        labels: Labels of the real items, [m]; -1 if unknown.
        seed: Seed of the draws.

    Returns:
        The measurement; no value if no class has 10 samples and 20 real items.
    """
    members = [(np.flatnonzero(fake_labels == c), np.flatnonzero(labels == c)) for c in np.unique(labels[labels >= 0])]
    sized = [(ours, theirs, min(len(ours), len(theirs) // 2, MOST)) for ours, theirs in members[:MOST_CLASSES]]
    usable = [(ours, theirs, n) for ours, theirs, n in sized if n >= FEWEST]
    if not usable:
        return Measurement(None)
    rng = np.random.default_rng([seed, 3])
    values, nulls = np.empty((DRAWS, len(usable))), np.empty((DRAWS, len(usable)))
    for draw in range(DRAWS):
        for column, (ours, theirs, n) in enumerate(usable):
            order = rng.permutation(theirs)
            half = total_variance(real[order[:n]])
            values[draw, column] = ratio(total_variance(fake[rng.choice(ours, n, replace=False)]), half)
            nulls[draw, column] = ratio(total_variance(real[order[n : 2 * n]]), half)
    spread = float(nulls.mean(axis=1).std(ddof=1))
    return Measurement(float(values.mean()), float(nulls.mean()), spread)


def total_variance(items: Float32Array) -> float:
    """Return the sum of the variances of the columns."""
    variances: Float64Array = items.var(axis=0, ddof=1, dtype=np.float64)
    return float(variances.sum())


def ratio(value: float, other: float) -> float:
    """Return value / other; two zeros are equal."""
    return value / other if other > 0 else 1.0 + value
