"""Precision, recall, density and coverage: how many samples look real, and how much of what is real is there.

Kynkaanniemi et al., "Improved Precision and Recall Metric" (2019), and Naeem et al., "Reliable Fidelity and Diversity
Metrics" (2020). The manifold of a set is the union of balls about its items, each reaching to the item's k-th neighbour.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float64Array, FloatArray
from pipeline.evaluation.measures.distances import count, radii

K = 5
"""Neighbours; the original precision and recall used 3."""


@dataclass(frozen=True)
class PRDC:
    """`precision`: samples within the real manifold; `recall`: real images within the samples'; `density`: real balls a sample lies in, over
    k (1 expected, above it where samples crowd); `coverage`: real balls that hold a sample."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(
    fake: FloatArray,
    real: FloatArray,
    k: int = K,
    real_radii: Float64Array | None = None,
    fake_radii: Float64Array | None = None,
) -> PRDC:
    """From features [n, d] of samples and [m, d] of real images; radii that are known already need not be found again.

    Raises InputError where a set has no more than k items.
    """
    about_real = radii(real, k) if real_radii is None else real_radii
    about_fake = radii(fake, k) if fake_radii is None else fake_radii
    samples, reals = count(fake, real, about_fake, about_real)
    return PRDC(
        precision=float(np.mean(samples.inside > 0)),
        recall=float(np.mean(reals.inside > 0)),
        density=float(np.mean(samples.inside) / k),
        coverage=float(np.mean(samples.filled > 0)),
    )


def expected_coverage(n_real: int, n_fake: int, k: int = K) -> float:
    """What coverage is on average where both sets come from one distribution (Naeem 2020, section 3.3): always below 1.

    1 - prod_{i=1..k} (n_real - i) / (n_real + n_fake - i).
    """
    i = np.arange(1, k + 1, dtype=np.float64)
    return float(1 - np.prod((n_real - i) / (n_real + n_fake - i)))
