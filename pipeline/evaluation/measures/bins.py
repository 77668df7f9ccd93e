"""Bins of feature space: how many hold another share of the samples than of the real images (NDB), and how far the shares are apart (JSD).

Richardson and Weiss, "On GANs and GMMs" (2018), section 3. Bins are the cells of a k-means of real images.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.arrays import Float64Array, FloatArray, Int64Array
from pipeline.evaluation.measures.distances import nearest

BINS = 100
ROUNDS = 30
SIGNIFICANT = 1.959963985  # the two-sided normal quantile of .05


def k_means(features: FloatArray, k: int, seed: int) -> Float64Array:
    """Centres [min(k, n), d] of Lloyd's algorithm from a k-means++ start (Arthur & Vassilvitskii 2007); the same for the same seed."""
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(np.ascontiguousarray(features)).double()
    chosen = [int(rng.integers(len(x)))]
    gap = (x - x[chosen[0]]).square().sum(dim=1)
    while len(chosen) < min(k, len(x)) and float(gap.sum()) > 0:
        chosen.append(
            int(
                np.searchsorted(np.cumsum(gap.numpy()), rng.random() * float(gap.sum()), side="right").clip(
                    0, len(x) - 1
                )
            )
        )
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
    """The nearest centre of each row, [n]."""
    return nearest(features.astype(np.float64), centres, 1)[1][:, 0]


@dataclass(frozen=True)
class Bins:
    """`different`: share of the bins whose shares differ significantly (about .05 for a perfect generator); `divergence`: Jensen-Shannon, in nats."""

    different: float
    divergence: float


def compare(fake: Int64Array, real: Int64Array, k: int) -> Bins:
    """From the bins of samples [n] and of real images [m]: the two-proportion z-test of each bin at .05, and the JSD of both histograms."""
    counts = [np.bincount(cells, minlength=k).astype(np.float64) for cells in (fake, real)]
    p, q = (count / count.sum() for count in counts)
    pooled = (counts[0] + counts[1]) / (len(fake) + len(real))
    error = np.sqrt(pooled * (1 - pooled) * (1 / len(fake) + 1 / len(real)))
    z = np.divide(np.abs(p - q), error, out=np.zeros_like(p), where=error > 0)
    middle = (p + q) / 2
    divergence = sum(0.5 * float(np.sum(s[s > 0] * np.log(s[s > 0] / middle[s > 0]))) for s in (p, q))
    return Bins(float(np.mean(z > SIGNIFICANT)), min(max(divergence, 0.0), math.log(2)))
