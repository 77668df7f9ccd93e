"""Measure samples against real images, and put each value next to its null: the same measure between real images.

Each draw splits the held-out real images into two halves of `n`. The null compares one half with the other. The
generator is measured with `n` samples in the place of one half. Value, null and the spread of the null therefore have
the same sample size, and bias cancels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float64Array, FloatArray, Int64Array
from pipeline.evaluation.cache import remember
from pipeline.evaluation.measures.bins import BINS, assign, compare_bins, k_means
from pipeline.evaluation.measures.distances import NEAR, count_in_balls, neighbours
from pipeline.evaluation.measures.intervals import interval_of_draws
from pipeline.evaluation.measures.prdc import K
from pipeline.evaluation.measures.vendi import vendi
from pipeline.measure import Measurement

DRAWS = 20
MOST = 2500  # images on either side: more images show no other failures, and the time is quadratic in them
LEAST = 2 * K + 1  # images on either side
SAME = 1e-4
"""Items are equal if their distance is at most this fraction of the largest one: equal items can differ by rounding."""

PER_BIN = 20  # images per bin of feature space, on average
MEASURES = ("precision", "recall", "density", "coverage", "near_duplicates", "vendi_ratio", "ndb", "jsd")


@dataclass(frozen=True)
class FeatureSet:
    """Features of one side of a comparison.

    Attributes:
        features: Features, [n, d].
        near: Distances to the K nearest neighbours within the set, [n, K].
        bins: Bin of each item, [n].
    """

    features: FloatArray
    near: Float64Array
    bins: Int64Array

    @classmethod
    def of(cls, features: FloatArray, bins: Int64Array) -> "FeatureSet":
        """Compute the neighbours of a set."""
        return cls(features, neighbours(features, K)[0], bins)


def comparison_size(n_fake: int, n_pool: int) -> int:
    """Return the number of images on either side of a comparison; 0 if there are too few to measure."""
    return 0 if find_shortage(n_fake, n_pool) else min(n_fake, n_pool // 2, MOST)


def find_shortage(n_fake: int, n_pool: int) -> str:
    """Return why there are too few images to measure; empty if there are enough."""
    if n_fake < LEAST:
        return f"only {n_fake:,} finite samples, {LEAST} are needed: raise evaluate.samples"
    if n_pool < 2 * LEAST:
        return f"only {n_pool:,} held-out real images, {2 * LEAST} are needed for two sets of them"
    return ""


def measure_with_nulls(
    fake: FloatArray, pool: FloatArray, seed: int, cache: Path | None = None, key: str = ""
) -> dict[str, Measurement]:
    """Compute the measures in `MEASURES`, each with mean and spread of its null.

    Args:
        fake: Features of samples, [N, d].
        pool: Features of real images that neither generator nor extractor was trained on, [M, d].
        seed: Seed of the draws and of the bins.
        cache: Folder that keeps the nulls; None keeps nothing.
        key: Identifies `pool` in the cache.

    Returns:
        Measurements by name; of too few samples or real images they have no value, and say which are too few.
    """
    n = comparison_size(len(fake), len(pool))
    if n == 0:
        return {name: Measurement(None, skip=find_shortage(len(fake), len(pool))) for name in MEASURES}
    centres, bins = load_or_cluster(pool, max(2, min(BINS, n // PER_BIN)), seed, cache, key)

    def compute_nulls() -> dict[str, torch.Tensor]:
        nulls, near = [], []
        for order in draw_orders(len(pool), n, seed):
            half, other = (FeatureSet.of(pool[part], bins[part]) for part in (order[:n], order[n:]))
            nulls.append(compare_sets(other, half, len(centres)))
            near.append(half.near)
        return {"nulls": torch.tensor(nulls, dtype=torch.float64), "near": torch.from_numpy(np.stack(near))}

    shapes = {"nulls": (DRAWS, len(MEASURES)), "near": (DRAWS, n, K)}
    tensors = remember(cache, "nulls", f"{key} {n} {seed} {DRAWS} {K} {BINS} {NEAR} {SAME}", shapes, compute_nulls)
    fake_bins = assign(fake, centres)
    rng = np.random.default_rng([seed, 1])
    values = []
    for order, near in zip(draw_orders(len(pool), n, seed), tensors["near"].numpy(), strict=True):
        chosen = rng.choice(len(fake), n, replace=False)
        half = order[:n]
        samples, real = FeatureSet.of(fake[chosen], fake_bins[chosen]), FeatureSet(pool[half], near, bins[half])
        values.append(compare_sets(samples, real, len(centres)))
    return summarise(np.array(values), tensors["nulls"].numpy())


def load_or_cluster(
    pool: FloatArray, k: int, seed: int, cache: Path | None, key: str
) -> tuple[Float64Array, Int64Array]:
    """Return the centres of real images [M, d], [k, d] or fewer, and the position of the nearest one of each, [M]."""

    def cluster() -> dict[str, torch.Tensor]:
        found = torch.from_numpy(k_means(pool, k, seed))
        centres = torch.full((k, pool.shape[1]), torch.nan, dtype=torch.float64)  # of few distinct items some are left
        centres[: len(found)] = found
        return {"centres": centres, "bins": torch.from_numpy(assign(pool, found.numpy()))}

    shapes = {"centres": (k, pool.shape[1]), "bins": (len(pool),)}
    tensors = remember(cache, "bins", f"{key} {seed}", shapes, cluster)
    centres = tensors["centres"]
    return centres[~centres.isnan().any(dim=1)].numpy(), tensors["bins"].numpy()


def draw_orders(pool: int, n: int, seed: int) -> list[Int64Array]:
    """Return 2n random positions of the pool for each draw; the first n are the half that is compared with."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(pool)[: 2 * n] for _ in range(DRAWS)]


def compare_sets(fake: FeatureSet, real: FeatureSet, n_bins: int) -> list[float]:
    """Return the measures of one set against real images of the same number, in the order of `MEASURES`."""
    samples, reals = count_in_balls(fake.features, real.features, fake.near[:, -1], real.near[:, -1])
    histograms = compare_bins(fake.bins, real.bins, n_bins)
    return [
        float(np.mean(samples.balls_per_row > 0)),
        float(np.mean(reals.balls_per_row > 0)),
        float(np.mean(samples.balls_per_row) / K),
        float(np.mean(samples.rows_per_ball > 0)),
        repeat_rate(fake.near[:, 0], real.near[:, 0]),
        vendi(fake.features) / vendi(real.features),
        histograms.different,
        histograms.divergence,
    ]


def small_distance(real: Float64Array) -> float | None:
    """Return the distance below which items are near-duplicates: a quantile of the distances `real` [n] of real items.

    Real items that repeat each other do not count, or repeats in the data would make the quantile 0. None if all do.
    """
    apart = real[real > SAME * real.max(initial=0.0)]
    return float(np.quantile(apart, NEAR)) if len(apart) else None


def repeat_rate(fake: Float64Array, real: Float64Array) -> float:
    """Return the share of samples that are unusually close to another sample.

    Args:
        fake: Distances of samples to their nearest neighbours, [n].
        real: Those of real images, [m].
    """
    limit = small_distance(real)
    return float(np.mean(fake <= 0) if limit is None else np.mean(fake < limit))


def summarise(values: Float64Array, nulls: Float64Array, names: tuple[str, ...] = MEASURES) -> dict[str, Measurement]:
    """Average the draws.

    Args:
        values: Measures of samples, [draws, measures].
        nulls: Measures of real images, [draws, measures].
        names: Names of the measures.
    """
    means, spreads = values.mean(axis=0), nulls.std(axis=0, ddof=1)
    columns = zip(names, values.T, means, nulls.mean(axis=0), spreads, strict=True)
    return {
        name: Measurement(float(value), float(null), float(spread), interval=interval_of_draws(drawn))
        for name, drawn, value, null, spread in columns
    }
