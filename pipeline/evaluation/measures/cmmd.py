"""CMMD: Jayasumana et al., "Rethinking FID: Towards a Better Evaluation Metric for Image Generation" (2024).

    MMD^2 = E[k(x, x')] + E[k(y, y')] - 2 E[k(x, y)], k(x, y) = exp(-|x - y|^2 / (2 sigma^2))

sigma is 10, and the value is multiplied by 1000. The estimate is the unbiased one of the paper. The published code
keeps the diagonal of k, so its values of small sets are higher. Features are scaled to unit length first, like those of
CLIP. Only with CLIP's features is the number that of the paper.
"""

from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float64Array, FloatArray, Int64Array
from pipeline.errors import InputError
from pipeline.evaluation.cache import remember
from pipeline.evaluation.measures.fid import as_float64
from pipeline.evaluation.measures.kid import mmd2
from pipeline.measure import Measurement

SIGMA, SCALE = 10.0, 1000.0
MOST, DRAWS = 2_000, 5


def measure_cmmd(
    fake: FloatArray, pool: FloatArray, seed: int, cache: Path | None = None, key: str = ""
) -> Measurement:
    """Average the distance over draws of equal size, next to that between two halves of the real images.

    Args:
        fake: Features of samples, [N, d].
        pool: Features of held-out real images, [M, d].
        seed: Seed of the draws.
        cache: Folder that keeps the null; None keeps nothing.
        key: Identifies `pool` in the cache.

    Returns:
        The mean with its null; without a value for fewer than 2 samples or 4 real images.
    """
    n = min(len(fake), len(pool) // 2, MOST)
    if n < 2:
        return Measurement(None, skip="fewer than 2 samples, or 4 held-out real images")

    def draw(rng: np.random.Generator, size: int, count: int) -> list[Int64Array]:
        return [rng.choice(size, count, replace=False) for _ in range(DRAWS)]

    def compute_nulls() -> dict[str, torch.Tensor]:
        orders = draw(np.random.default_rng(seed), len(pool), 2 * n)
        return {
            "nulls": torch.tensor([cmmd(pool[order[n:]], pool[order[:n]]) for order in orders], dtype=torch.float64)
        }

    shapes = {"nulls": (DRAWS,)}
    nulls: Float64Array = remember(cache, "cmmd", f"{key} {n} {seed}", shapes, compute_nulls)["nulls"].numpy()
    rng = np.random.default_rng([seed, 1])
    pairs = zip(draw(rng, len(fake), n), draw(rng, len(pool), n), strict=True)
    values = [cmmd(fake[samples], pool[real]) for samples, real in pairs]
    return Measurement(float(np.mean(values)), float(np.mean(nulls)), float(np.std(nulls, ddof=1)))


def cmmd(first: FloatArray, second: FloatArray) -> float:
    """Compute the distance between features [n, d] of two sets of equal size; about 0 for equal distributions.

    It can be slightly negative. Raises InputError for sets of different sizes, fewer than 2 items, or NaN and Inf.
    """
    if first.shape != second.shape or len(first) < 2:
        raise InputError(
            f"CMMD compares sets of equal size, not features of {list(first.shape)} and {list(second.shape)}"
        )
    return SCALE * mmd2(to_unit_length(first), to_unit_length(second), gaussian)


def to_unit_length(features: FloatArray) -> Float64Array:
    """Divide each row by its length; rows of zeros stay."""
    x = as_float64(features)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    scaled: Float64Array = np.divide(x, lengths, out=np.zeros_like(x), where=lengths > 0)
    return scaled


def gaussian(x: Float64Array, y: Float64Array) -> Float64Array:
    """Compute exp(-|x - y|^2 / (2 sigma^2)) for all pairs, [n, m]."""
    squares = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1) - 2 * x @ y.T
    return np.asarray(np.exp(np.maximum(squares, 0.0) / (-2 * SIGMA**2)), dtype=np.float64)
