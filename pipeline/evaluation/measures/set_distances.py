"""Coverage, minimum matching distance and nearest-neighbour test by a distance between items, not by features.

Achlioptas et al., "Learning Representations and Generative Models for 3D Point Clouds" (2018), section 4; the
nearest-neighbour test is of Lopez-Paz and Oquab (2017). The medium defines the distance.
"""

from collections.abc import Callable

import numpy as np

from pipeline.arrays import FloatArray, Int64Array, Items
from pipeline.evaluation.extractors.base import Images
from pipeline.evaluation.measures.calibration import comparison_size, draw_orders, summarise
from pipeline.measure import Measurement

MOST = 500
"""Items on either side: the time is quadratic in them."""

Distance = Callable[[Items, Items], FloatArray | None]
"""(items [n, H, W, C], items [m, H, W, C]) -> distances [n, m]; None without any."""

NAMES = ("coverage", "matching", "neighbours")


def compare_sets(fake: Images, pool: Images, distance: Distance, seed: int) -> dict[str, Measurement]:
    """Compare samples with halves of real items, and these halves with each other as the null.

    - coverage: share of real items that are nearest to a sample;
    - matching: mean distance of a real item to the nearest sample;
    - neighbours: share of all items whose nearest neighbour is of their own set; 0.5 if both sets are alike.

    Args:
        fake: Samples.
        pool: Real items that nothing was trained on.
        distance: Distances between items.
        seed: Seed of the draws.

    Returns:
        Measurements by name; empty with too few items.
    """
    n = min(comparison_size(len(fake), len(pool)), MOST)
    if n == 0:
        return {}
    rng = np.random.default_rng([seed, 4])
    some_real, some_fake = (np.sort(rng.permutation(len(each))[: 2 * n]) for each in (pool, fake))
    real, samples = pool.images(some_real), fake.images(some_fake)
    real_real, fake_fake, fake_real = distance(real, real), distance(samples, samples), distance(samples, real)
    if real_real is None or fake_fake is None or fake_real is None:
        return {}
    np.fill_diagonal(real_real, np.inf)
    np.fill_diagonal(fake_fake, np.inf)
    values, nulls = [], []
    for order in draw_orders(len(real), n, seed):
        half, other = order[:n], order[n:]
        chosen = rng.choice(len(samples), n, replace=False)
        within = real_real[np.ix_(half, half)]
        values.append(compare_by_distance(fake_real[np.ix_(chosen, half)], select(fake_fake, chosen), within))
        nulls.append(compare_by_distance(real_real[np.ix_(other, half)], select(real_real, other), within))
    return summarise(np.array(values), np.array(nulls), NAMES)


def select(distances: FloatArray, rows: Int64Array) -> FloatArray:
    """Return the distances within a part of a set."""
    return np.asarray(distances[np.ix_(rows, rows)])


def compare_by_distance(across: FloatArray, within: FloatArray, real: FloatArray) -> list[float]:
    """Return coverage, matching distance and the share of neighbours of the own set.

    Args:
        across: From samples to real items, [n, m].
        within: Between samples, [n, n], with infinity on the diagonal.
        real: Between real items, [m, m], the same.
    """
    own = np.concatenate([within.min(axis=1) < across.min(axis=1), real.min(axis=1) < across.min(axis=0)])
    return [
        len(np.unique(across.argmin(axis=1))) / across.shape[1],
        float(across.min(axis=0).mean()),
        float(own.mean()),
    ]
