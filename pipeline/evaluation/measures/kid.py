"""Kernel Inception distance: Binkowski et al., "Demystifying MMD GANs" (2018), section 4."""

from collections.abc import Callable

import numpy as np

from pipeline.arrays import Float64Array, FloatArray
from pipeline.errors import InputError
from pipeline.evaluation.measures.fid import as_float64

SUBSETS = 100
SUBSET_SIZE = 1_000


@np.errstate(over="ignore", invalid="ignore")  # an overflow raises InputError at the end
def kid(first: FloatArray, second: FloatArray, seed: int = 0, subsets: int = SUBSETS, size: int = SUBSET_SIZE) -> float:
    """Average the unbiased MMD^2 with the kernel (x.y / d + 1)^3 over random subsets.

    The estimate does not depend on the number of items. For equal distributions it is about 0, and may be negative.

    Args:
        first: Features, [n, d].
        second: Features, [m, d].
        seed: Seed of the subsets.
        subsets: Number of subsets.
        size: Items per subset; at most the size of the smaller set.

    Raises:
        InputError: A set has fewer than 2 items, d differs, or a value is not finite.
    """
    x, y = as_float64(first), as_float64(second)
    if x.shape[1] != y.shape[1]:
        raise InputError(f"the features come from different extractors: {x.shape[1]} and {y.shape[1]} dimensions")
    size = min(size, len(x), len(y))
    if size < 2:
        raise InputError("a kernel distance needs at least 2 items on either side, but one side has 1")
    if size == len(x) == len(y):
        return mmd2(x, y, kernel)
    rng = np.random.default_rng(seed)
    values = [
        mmd2(x[rng.choice(len(x), size, replace=False)], y[rng.choice(len(y), size, replace=False)], kernel)
        for _ in range(subsets)
    ]
    return float(np.mean(values))


Kernel = Callable[[Float64Array, Float64Array], Float64Array]


def mmd2(x: Float64Array, y: Float64Array, kernel: Kernel) -> float:
    """Compute the unbiased MMD^2 of two sets of equal size [m, d] (Gretton et al., 2012, eq. 3)."""
    m = len(x)
    within = sum(float(k.sum() - np.trace(k)) for k in (kernel(x, x), kernel(y, y)))
    value = within / (m * (m - 1)) - 2.0 * float(kernel(x, y).mean())
    if not np.isfinite(value):
        raise InputError("the features are too large for float64: their kernel overflows")
    return value


def kernel(x: Float64Array, y: Float64Array) -> Float64Array:
    """Compute (x.y / d + 1)^3 for all pairs, [n, m]."""
    base = x @ y.T / x.shape[1] + 1.0
    return np.asarray(base * base * base, dtype=np.float64)  # several times faster than base**3
