"""FID-infinity: Chong and Forsyth, "Effectively Unbiased FID and Inception Score and Where to Find Them" (2020)."""

import numpy as np

from pipeline.arrays import FloatArray
from pipeline.evaluation.measures.fid import Side, fid

SIZES = 15
SMALLEST = 5000
WIDE = 512
"""With more features a distance takes so long that a third of the sizes is used."""


def fid_infinity(fake: FloatArray, real: FloatArray | Side, seed: int) -> float | None:
    """Extrapolate the Fréchet distance to an infinite number of samples.

    The distance is linear in 1 / n. A line is fitted to the distances at 15 sample sizes, and its value at 1 / n = 0 is
    returned. The sizes are evenly spaced from 5,000 (or a tenth of the samples if there are few) to all samples.

    Args:
        fake: Features of samples, [n, d].
        real: Features of real images, [m, d].
        seed: Seed of the subsets.

    Returns:
        The distance, which noise can make slightly negative; None with fewer than 20 samples.
    """
    n = len(fake)
    if n < 20:
        return None
    smallest = min(SMALLEST, max(n // 10, 2))
    sizes = np.linspace(smallest, n, SIZES if fake.shape[1] <= WIDE else SIZES // 3).astype(np.int64)
    rng = np.random.default_rng(seed)
    against = Side.of(real)
    distances = [fid(fake[rng.choice(n, size, replace=False)], against) for size in sizes]
    return float(np.polyfit(1 / sizes, distances, 1)[1])
