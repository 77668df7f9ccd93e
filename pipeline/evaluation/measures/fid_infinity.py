"""FID-infinity: Chong and Forsyth, "Effectively Unbiased FID and Inception Score and Where to Find Them" (2020)."""

import numpy as np

from pipeline.arrays import FloatArray
from pipeline.evaluation.measures.fid import Side, fid

SIZES = 15
SMALLEST = 5000
WIDE = 512  # features above which a distance takes so long that fewer sizes must do


def fid_infinity(fake: FloatArray, real: FloatArray | Side, seed: int) -> float | None:
    """What the Fréchet distance of samples [n, d] to real images [m, d] would be with endlessly many samples.

    The distance falls linearly in 1 / n: it is measured at 15 sizes from 5,000 (or a tenth of the samples, where they are few) to all of
    them, and the line's value at 1 / n = 0 is returned; below zero is noise about zero. None for fewer than 20 samples.
    """
    n = len(fake)
    if n < 20:
        return None
    sizes = np.linspace(min(SMALLEST, max(n // 10, 2)), n, SIZES if fake.shape[1] <= WIDE else SIZES // 3).astype(
        np.int64
    )
    rng = np.random.default_rng(seed)
    against = Side.of(real)
    distances = [fid(fake[rng.choice(n, size, replace=False)], against) for size in sizes]
    return float(np.polyfit(1 / sizes, distances, 1)[1])
