"""Every measure at one size beside its null: what the same measure says of real images nobody trained on.

A draw splits the held-out real images in two halves of `n`. The null compares one half with the other; the generator is compared
by putting `n` samples in the place of that half. So a value, its null and the null's spread are all of one size, and bias cancels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float64Array, FloatArray, Int64Array
from pipeline.evaluation.cache import remember
from pipeline.evaluation.measures.bins import BINS, assign, compare, k_means
from pipeline.evaluation.measures.distances import NEAR, count, neighbours
from pipeline.evaluation.measures.prdc import K
from pipeline.evaluation.measures.vendi import vendi
from pipeline.measure import Measurement

DRAWS = 20
MOST = 2500  # images on either side: more sees no other failure, and takes quadratically longer
PER_BIN = 20  # images a bin of feature space must hold on average
MEASURES = ("precision", "recall", "density", "coverage", "near_duplicates", "vendi_ratio", "ndb", "jsd")


@dataclass(frozen=True)
class Side:
    """A set of `n` features with each item's distance to its nearest neighbours in the set, [n, K]."""

    features: FloatArray
    near: Float64Array

    @classmethod
    def of(cls, features: FloatArray) -> "Side":
        return cls(features, neighbours(features, K)[0])


def size(n_fake: int, n_pool: int) -> int:
    """Images on either side; 0 where there are too few to measure."""
    n = min(n_fake, n_pool // 2, MOST)
    return n if n > 2 * K else 0


def calibrated(
    fake: FloatArray, pool: FloatArray, seed: int, cache: Path | None = None, key: str = ""
) -> dict[str, Measurement]:
    """The measures of samples [N, d] against a pool of real images [M, d] that neither the generator nor the features were trained on.

    `key` names the pool and its features, under which nulls are kept in `cache`. Empty where there are too few of either.
    """
    n = size(len(fake), len(pool))
    if n == 0:
        return {}
    centres = k_means(pool, max(2, min(BINS, n // PER_BIN)), seed)
    bins = assign(pool, centres)

    def make() -> dict[str, torch.Tensor]:
        nulls, near = [], []
        for order in orders(len(pool), n, seed):
            half, other = Side.of(pool[order[:n]]), Side.of(pool[order[n:]])
            nulls.append(against(other, bins[order[n:]], half, bins[order[:n]], len(centres)))
            near.append(half.near)
        return {"nulls": torch.tensor(nulls, dtype=torch.float64), "near": torch.from_numpy(np.stack(near))}

    shapes = {"nulls": (DRAWS, len(MEASURES)), "near": (DRAWS, n, K)}
    known = remember(cache, "nulls", f"{key} {n} {seed} {DRAWS} {K} {BINS} {NEAR}", shapes, make)
    cells = assign(fake, centres)
    rng = np.random.default_rng([seed, 1])
    values = []
    for order, near in zip(orders(len(pool), n, seed), known["near"].numpy(), strict=True):
        chosen = rng.choice(len(fake), n, replace=False)
        half = order[:n]
        values.append(against(Side.of(fake[chosen]), cells[chosen], Side(pool[half], near), bins[half], len(centres)))
    return summarise(np.array(values), known["nulls"].numpy())


def orders(pool: int, n: int, seed: int) -> list[Int64Array]:
    """For each draw 2n positions of the pool: the half that is compared with, then the other."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(pool)[: 2 * n] for _ in range(DRAWS)]


def against(side: Side, cells: Int64Array, real: Side, real_cells: Int64Array, bins: int) -> list[float]:
    """The measures of one set against real images of the same size, in the order of MEASURES."""
    inside, back = count(side.features, real.features, side.near[:, -1], real.near[:, -1])
    shares = compare(cells, real_cells, bins)
    return [
        float(np.mean(inside.inside > 0)),
        float(np.mean(back.inside > 0)),
        float(np.mean(inside.inside) / K),
        float(np.mean(inside.filled > 0)),
        float(np.mean(side.near[:, 0] < np.quantile(real.near[:, 0], NEAR))),
        vendi(side.features) / vendi(real.features),
        shares.different,
        shares.divergence,
    ]


def summarise(values: Float64Array, nulls: Float64Array, names: tuple[str, ...] = MEASURES) -> dict[str, Measurement]:
    """From one row a draw."""
    found = zip(names, values.mean(axis=0), nulls.mean(axis=0), nulls.std(axis=0, ddof=1), strict=True)
    return {name: Measurement(float(value), float(null), float(spread)) for name, value, null, spread in found}
