"""How well samples cover modes that are known: counted, weighed and compared with the share each mode should have."""

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.modes.mixtures import Mixture
from pipeline.arrays import Float64Array, Int64Array

NEAR = 3.0
"""Standard deviations from the nearest mean within which a point is of high quality (Srivastava 2017, VEEGAN, section 4.1)."""

OFF = math.exp(-(NEAR**2) / 2)
"""Share of a Gaussian in the plane that lies further from its mean than that: 1.1 %."""


@dataclass(frozen=True)
class Coverage:
    """`modes` of `total` that were hit at least once; `quality` is the share of samples that belong to any mode, 0 to 1;

    `kl` is KL(samples || truth) over the modes, in nats.
    """

    modes: int
    total: int
    quality: float
    kl: float


def divergence(counts: Int64Array, truth: Float64Array) -> float:
    """sum q ln(q / p) in nats, for the shares q of `counts` [K] and p = `truth` [K], positive and adding up to 1."""
    if counts.sum() == 0:
        raise ValueError("no samples: there is no histogram to compare")
    q = counts / counts.sum()
    there = q > 0
    return float(np.sum(q[there] * np.log(q[there] / truth[there])))


def of_points(points: Float64Array, mixture: Mixture) -> Coverage:
    """Points [n, 2] against a mixture of equal Gaussians.

    One bin for each mean, holding the points of high quality, and one more for all others (Lin 2018, PacGAN, section 4.1); the truth
    has (1 - OFF) / K in each of the first and OFF in the last, as a sampler of the mixture itself would. A point that is not finite is off.
    """
    distances = np.linalg.norm(points[:, None, :] - mixture.means[None], axis=2)
    distances = np.where(np.isfinite(distances), distances, np.inf)
    nearest, good = distances.argmin(axis=1), distances.min(axis=1) <= NEAR * mixture.sigma
    total = len(mixture.means)
    counts = np.append(np.bincount(nearest[good], minlength=total), np.count_nonzero(~good))
    truth = np.append(np.full(total, (1 - OFF) / total), OFF)
    return Coverage(int(np.count_nonzero(counts[:total])), total, float(good.mean()), divergence(counts, truth))


def of_triples(classes: Int64Array, values: int = 10) -> Coverage:
    """Classes [n, 3], each 0..values-1, as one of values^3 modes that are all equally likely: KL = sum q ln(1000 q) for ten digits.

    A classifier always answers, so every sample belongs to some mode: `quality` is 1.
    """
    total = values**3
    counts = np.bincount(classes @ np.array([values**2, values, 1]), minlength=total)
    return Coverage(int(np.count_nonzero(counts)), total, 1.0, divergence(counts, np.full(total, 1 / total)))
