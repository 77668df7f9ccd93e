"""Coverage of known modes: number of modes hit, fraction of high-quality samples, KL divergence of the histogram."""

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.modes.mixtures import Mixture
from pipeline.arrays import Float64Array, Int64Array

NEAR = 3.0
"""Distance to the nearest mean, in standard deviations, up to which a point is of high quality (Srivastava 2017)."""

OFF = math.exp(-(NEAR**2) / 2)
"""Probability mass of a two-dimensional Gaussian beyond that distance: 1.1 %."""


@dataclass(frozen=True)
class Coverage:
    """Measures of one set of samples.

    Attributes:
        modes, total: Modes with at least one sample, and all modes.
        quality: Fraction of the samples that belong to a mode.
        kl: KL(samples || truth) over the modes in nats.
    """

    modes: int
    total: int
    quality: float
    kl: float


def divergence(counts: Int64Array, truth: Float64Array) -> float:
    """Return sum q ln(q / p) in nats for the normalised `counts` q and the probabilities p = `truth`, both [K]."""
    if counts.sum() == 0:
        raise ValueError("no samples: there is no histogram to compare")
    q = counts / counts.sum()
    there = q > 0
    return float(np.sum(q[there] * np.log(q[there] / truth[there])))


def coverage_of_points(points: Float64Array, mixture: Mixture) -> Coverage:
    """Return the coverage of a mixture of equal Gaussians by points [n, 2].

    The histogram has one bin per mean for high-quality points and one bin for all others (Lin 2018, PacGAN, section
    4.1). The true probabilities are (1 - OFF) / K for each mean and OFF for the last bin, which includes points that
    are not finite.
    """
    distances = np.linalg.norm(points[:, None, :] - mixture.means[None], axis=2)
    distances = np.where(np.isfinite(distances), distances, np.inf)
    nearest, good = distances.argmin(axis=1), distances.min(axis=1) <= NEAR * mixture.sigma
    total = len(mixture.means)
    counts = np.append(np.bincount(nearest[good], minlength=total), np.count_nonzero(~good))
    truth = np.append(np.full(total, (1 - OFF) / total), OFF)
    return Coverage(int(np.count_nonzero(counts[:total])), total, float(good.mean()), divergence(counts, truth))


def coverage_of_triples(classes: Int64Array, values: int = 10) -> Coverage:
    """Return the coverage of values^3 equally likely modes by classes [n, 3], each in 0 .. values - 1.

    For ten digits KL = sum q ln(1000 q). `quality` is 1, because the classifier assigns every sample to a mode.
    """
    total = values**3
    counts = np.bincount(classes @ np.array([values**2, values, 1]), minlength=total)
    return Coverage(int(np.count_nonzero(counts)), total, 1.0, divergence(counts, np.full(total, 1 / total)))
