"""Kernel distance (Binkowski et al. 2018): the unbiased MMD^2 under (x.y / d + 1)^3, so it needs no correction for N."""

import numpy as np

from pipeline.arrays import Float64Array, FloatArray
from pipeline.errors import InputError
from pipeline.evaluation.measures.fid import checked

SUBSETS = 100
SUBSET_SIZE = 1_000


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused at the end
def kid(first: FloatArray, second: FloatArray, seed: int = 0, subsets: int = SUBSETS, size: int = SUBSET_SIZE) -> float:
    """Mean of the unbiased MMD^2 over random subsets of features [n, d] and [m, d]; about 0, or a little under, for equal distributions.

    `size` is clamped to the smaller set. Raises InputError for fewer than 2 items, unequal d, or values that are not finite.
    """
    x, y = checked(first), checked(second)
    if x.shape[1] != y.shape[1]:
        raise InputError(f"features of different extractors: {x.shape[1]} and {y.shape[1]} dimensions")
    size = min(size, len(x), len(y))
    if size < 2:
        raise InputError("a kernel distance needs at least 2 items on either side; there is 1")
    if size == len(x) == len(y):
        return mmd2(x, y)
    rng = np.random.default_rng(seed)
    values = [
        mmd2(x[rng.choice(len(x), size, replace=False)], y[rng.choice(len(y), size, replace=False)])
        for _ in range(subsets)
    ]
    return float(np.mean(values))


def mmd2(x: Float64Array, y: Float64Array) -> float:
    """Unbiased MMD^2 of equally many items [m, d] (Gretton et al. 2012, eq. 3)."""
    m = len(x)
    within = sum(float(k.sum() - np.trace(k)) for k in (kernel(x, x), kernel(y, y)))
    value = within / (m * (m - 1)) - 2.0 * float(kernel(x, y).mean())
    if not np.isfinite(value):
        raise InputError("the features are too large for float64: their kernel overflows")
    return value


def kernel(x: Float64Array, y: Float64Array) -> Float64Array:
    """(x.y / d + 1)^3 for all pairs [n, m]; by products, which are several times faster than a power."""
    base = x @ y.T / x.shape[1] + 1.0
    return np.asarray(base * base * base, dtype=np.float64)
