"""FID-infinity: Chong and Forsyth, "Effectively Unbiased FID and Inception Score and Where to Find Them" (2020).

The paper extrapolates over the samples and takes the statistics of the real images as exact. Those of a test split are
not. Here both sides have the same size and are extrapolated together. The null does the same with two halves of the
real images. It shows what is left of the bias if there are few images for the number of features.
"""

from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float64Array, FloatArray
from pipeline.evaluation.cache import remember
from pipeline.evaluation.measures.fid import fid
from pipeline.measure import Measurement

SIZES, DRAWS = 4, 4
LARGEST = 5000
PER_DIMENSION = 8  # images per feature, if that is more than 5,000
SPAN = 4  # the smallest size is this many times smaller than the largest
LEAST = 20
WIDE = 512
"""With more features a distance takes so long that fewer sizes and draws are used."""


def fid_infinity(
    fake: FloatArray, pool: FloatArray, seed: int, cache: Path | None = None, key: str = ""
) -> Measurement:
    """Extrapolate the Fréchet distance to infinitely many images on both sides.

    The distance is linear in 1 / n. A line is fitted to the distances at four sizes n, and its value at 1 / n = 0 is
    returned. Each draw splits the held-out real images into two halves, as for the ratio of Fréchet distances.

    Args:
        fake: Features of samples, [N, d].
        pool: Features of held-out real images, [M, d].
        seed: Seed of the draws.
        cache: Folder that keeps the null; None keeps nothing.
        key: Identifies `pool` in the cache.

    Returns:
        The mean distance over the draws, which noise can make slightly negative, with that between real images as its
        null. Without a value for fewer than 20 images on a side.
    """
    n = min(len(fake), len(pool) // 2, max(LARGEST, PER_DIMENSION * fake.shape[1]))
    if n < LEAST:
        return Measurement(None, skip=f"fewer than {LEAST} samples, or {2 * LEAST} held-out real images")
    draws = DRAWS if fake.shape[1] <= WIDE else DRAWS // 2

    def compute_nulls() -> dict[str, torch.Tensor]:
        rng = np.random.default_rng(seed)
        orders = [rng.permutation(len(pool))[: 2 * n] for _ in range(draws)]
        return {"nulls": torch.tensor([extrapolate(pool[order[n:]], pool[order[:n]]) for order in orders])}

    name = f"{key} {n} {seed} {SIZES} {draws} {SPAN}"
    nulls: Float64Array = remember(cache, "fid_infinity", name, {"nulls": (draws,)}, compute_nulls)["nulls"].numpy()
    rng, values = np.random.default_rng([seed, 1]), []
    for _ in range(draws):
        samples, real = rng.choice(len(fake), n, replace=False), rng.choice(len(pool), n, replace=False)
        values.append(extrapolate(fake[samples], pool[real]))
    return Measurement(float(np.mean(values)), float(np.mean(nulls)), float(np.std(nulls, ddof=1)))


def extrapolate(first: FloatArray, second: FloatArray) -> float:
    """Return the distance of two sets of features [n, d], in random order, at infinite size."""
    n, count = len(first), SIZES if first.shape[1] <= WIDE else SIZES - 1
    sizes = np.unique(np.maximum(n / np.linspace(SPAN, 1, count), 2).astype(np.int64))
    distances = [fid(first[:size], second[:size]) for size in sizes]
    return float(np.polyfit(1 / sizes, distances, 1)[1])
