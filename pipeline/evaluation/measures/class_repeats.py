"""Measure near-duplicates within each group of items: ten classes, one of which shows eight images over and over.

Over all samples such a class hardly counts. Groups are classes, or clusters of feature space for data without labels.
"""

import numpy as np

from pipeline.arrays import Float32Array, Float64Array, Int64Array
from pipeline.evaluation.measures.calibration import repeat_rate
from pipeline.evaluation.measures.distances import neighbours
from pipeline.measure import Measurement

FEWEST = 10  # items of a group on either side
MOST = 500  # items of a group on either side
MOST_GROUPS = 100
DRAWS = 20


def class_repeats(
    fake: Float32Array, fake_groups: Int64Array, real: Float32Array, groups: Int64Array, *, seed: int
) -> tuple[int, Measurement] | None:
    """Return the group in which most samples are near-duplicates, beyond real items, and the measurement.

    Each draw splits the real items of a group into halves. The null is the share of near-duplicates in one half, by the
    distances within the other; samples take the place of the first half.

    Args:
        fake: Features of samples, [n, d].
        fake_groups: Their groups, [n].
        real: Features of real items, [m, d].
        groups: Their groups, [m]; -1 if unknown.
        seed: Seed of the draws.

    Returns:
        None if no group has 10 samples and 20 real items.
    """
    rng = np.random.default_rng([seed, 4])
    found = []
    for group in np.unique(groups[groups >= 0])[:MOST_GROUPS]:
        ours, theirs = np.flatnonzero(fake_groups == group), np.flatnonzero(groups == group)
        n = min(len(ours), len(theirs) // 2, MOST)
        if n >= FEWEST:
            found.append((int(group), compare(fake[ours], real[theirs], n, rng)))
    return max(found, key=lambda pair: (pair[1].number or 0.0) - (pair[1].null or 0.0), default=None)


def compare(fake: Float32Array, real: Float32Array, n: int, rng: np.random.Generator) -> Measurement:
    """Return the share of near-duplicates among samples of one group, with its null."""
    values, nulls = np.empty(DRAWS), np.empty(DRAWS)
    for draw in range(DRAWS):
        order = rng.permutation(len(real))
        half, other = (gaps(real[part]) for part in (order[:n], order[n : 2 * n]))
        values[draw] = repeat_rate(gaps(fake[rng.choice(len(fake), n, replace=False)]), half)
        nulls[draw] = repeat_rate(other, half)
    spread = max(float(nulls.std(ddof=1)), 1 / n)  # a share moves in steps of one item
    return Measurement(float(values.mean()), float(nulls.mean()), spread)


def gaps(features: Float32Array) -> Float64Array:
    """Return the distance of each item [n, d] to the nearest other one, [n]."""
    found: Float64Array = neighbours(features, 1)[0][:, 0]
    return found
