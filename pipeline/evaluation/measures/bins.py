"""Compare how samples and real images are distributed over bins of feature space: NDB and JSD.

Richardson and Weiss, "On GANs and GMMs" (2018), section 3. The bins are the cells of a k-means of real images.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.arrays import Float64Array, FloatArray, Int64Array
from pipeline.evaluation.measures.distances import nearest

BINS = 100
ROUNDS = 30
SIGNIFICANT = 1.959963985  # two-sided normal quantile at 0.05


def k_means(features: FloatArray, k: int, seed: int) -> Float64Array:
    """Cluster features [n, d] by Lloyd's algorithm with a k-means++ start (Arthur and Vassilvitskii, 2007).

    Returns:
        Centres, [min(k, n), d]; fewer if there are fewer distinct items. A seed always gives the same centres.
    """
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(np.ascontiguousarray(features)).double()
    chosen = [int(rng.integers(len(x)))]
    gap = (x - x[chosen[0]]).square().sum(dim=1)
    while len(chosen) < min(k, len(x)) and float(gap.sum()) > 0:
        threshold = rng.random() * float(gap.sum())
        position = np.searchsorted(np.cumsum(gap.numpy()), threshold, side="right").clip(0, len(x) - 1)
        chosen.append(int(position))
        gap = torch.minimum(gap, (x - x[chosen[-1]]).square().sum(dim=1))
    centres = x[chosen].clone()
    for _ in range(ROUNDS):
        cells = torch.from_numpy(assign(features, centres.numpy()))
        sizes = torch.bincount(cells, minlength=len(centres))
        moved = torch.zeros_like(centres).index_add_(0, cells, x) / sizes.clamp(min=1)[:, None]
        moved = torch.where(sizes[:, None] > 0, moved, centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    result: Float64Array = centres.numpy()
    return result


def assign(features: FloatArray, centres: Float64Array) -> Int64Array:
    """Return the position of the nearest centre for each row of `features` [n, d], [n]."""
    return nearest(features.astype(np.float64), centres, 1)[1][:, 0]


@dataclass(frozen=True)
class Bins:
    """Two comparisons of histograms over the bins.

    Attributes:
        different: Fraction of bins with significantly different shares (NDB / K); about 0.05 for a perfect generator.
        divergence: Jensen-Shannon divergence in nats, 0 to ln 2.
    """

    different: float
    divergence: float


def compare_bins(fake: Int64Array, real: Int64Array, k: int) -> Bins:
    """Compare two histograms: a two-proportion z-test at 0.05 for each bin, and the Jensen-Shannon divergence.

    Args:
        fake: Bins of samples, [n].
        real: Bins of real images, [m].
        k: Number of bins.
    """
    counts = [np.bincount(cells, minlength=k).astype(np.float64) for cells in (fake, real)]
    p, q = (count / count.sum() for count in counts)
    pooled = (counts[0] + counts[1]) / (len(fake) + len(real))
    error = np.sqrt(pooled * (1 - pooled) * (1 / len(fake) + 1 / len(real)))
    z = np.divide(np.abs(p - q), error, out=np.zeros_like(p), where=error > 0)
    middle = (p + q) / 2
    divergence = sum(0.5 * float(np.sum(s[s > 0] * np.log(s[s > 0] / middle[s > 0]))) for s in (p, q))
    return Bins(float(np.mean(z > SIGNIFICANT)), min(max(divergence, 0.0), math.log(2)))
