"""Does a generator copy its training images? Each measure compares samples with real images that were never trained on.

All work on distances to the nearest training image, in features or in pixels; `fid` and `coverage` get better by copying.
"""

import numpy as np

from pipeline.arrays import Float64Array, Int64Array
from pipeline.evaluation.measures.distances import NEAR

LEAST = 10
"""Samples and held-out images a cell must hold before it is counted (Meehan 2020 leaves out cells that are too small)."""


def copy_rate(fake: Float64Array, heldout: Float64Array, near: float = NEAR) -> float:
    """Share of samples closer to their nearest training image than all but `near` of the held-out images are: about `near` without copying.

    `fake` [n] and `heldout` [m] are distances to the nearest training image.
    """
    return float(np.mean(fake < np.quantile(heldout, near)))


def authenticity(fake: Float64Array, neighbour: Int64Array, own: Float64Array) -> float:
    """AuthPct (Alaa 2022, section 4.2): share of samples whose nearest training image lies closer to another training image than to the sample.

    `fake` [n] distances to the nearest training image, `neighbour` [n] its position, `own` [m] the training images' distances to their
    own nearest neighbours.
    """
    return float(np.mean(own[neighbour] < fake))


def copying(fake: Float64Array, heldout: Float64Array, fake_cells: Int64Array, heldout_cells: Int64Array) -> float:
    """C_T (Meehan 2020, section 3.2): whether samples lie nearer to the training images than held-out images do; far below 0 is copying.

    In each cell of feature space the Mann-Whitney z of sample distances against held-out distances to the nearest training image,
    averaged with the cells' held-out counts. 0 where no cell holds enough of both.
    """
    total, weight = 0.0, 0
    for cell in np.unique(heldout_cells):
        a, b = fake[fake_cells == cell], heldout[heldout_cells == cell]
        if min(len(a), len(b)) >= LEAST:
            total += len(b) * mann_whitney(a, b)
            weight += len(b)
    return total / weight if weight else 0.0


def mann_whitney(a: Float64Array, b: Float64Array) -> float:
    """z of the rank sum of `a` among both, with the correction for ties: below 0 where `a` tends to be smaller (Mann & Whitney 1947)."""
    m, n = len(a), len(b)
    values, inverse, ties = np.unique(np.concatenate([a, b]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[inverse]
    u = ranks[:m].sum() - m * (m + 1) / 2
    spread = m * n / 12 * ((m + n + 1) - float(np.sum(ties.astype(np.float64) ** 3 - ties)) / ((m + n) * (m + n - 1)))
    return float((u - m * n / 2) / np.sqrt(spread)) if len(values) > 1 else 0.0
