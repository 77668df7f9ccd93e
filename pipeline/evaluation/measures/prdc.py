"""Precision, recall, density and coverage.

Kynkaanniemi et al., "Improved Precision and Recall Metric" (2019), and Naeem et al., "Reliable Fidelity and Diversity
Metrics" (2020). The manifold of a set is the union of balls around its items. The radius of a ball is the distance
from its item to the k-th nearest neighbour in the set.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float64Array, FloatArray
from pipeline.evaluation.measures.distances import count_in_balls, radii

K = 5
"""Neighbours; the original precision and recall used 3."""


@dataclass(frozen=True)
class PRDC:
    """Fidelity and diversity of samples.

    Attributes:
        precision: Fraction of samples inside the manifold of the real images.
        recall: Fraction of real images inside the manifold of the samples.
        density: Mean number of real balls that contain a sample, divided by k; 1 is expected for a perfect generator.
        coverage: Fraction of real balls that contain a sample.
    """

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
    """Compute precision, recall, density and coverage.

    Args:
        fake: Features of samples, [n, d].
        real: Features of real images, [m, d].
        k: Neighbours that determine the radii.
        real_radii: Radii of the balls around `real`, [m]; None computes them.
        fake_radii: Radii of the balls around `fake`, [n]; None computes them.

    Raises:
        InputError: A set has at most k items.
    """
    real_radii = radii(real, k) if real_radii is None else real_radii
    fake_radii = radii(fake, k) if fake_radii is None else fake_radii
    samples, reals = count_in_balls(fake, real, fake_radii, real_radii)
    return PRDC(
        precision=float(np.mean(samples.balls_per_row > 0)),
        recall=float(np.mean(reals.balls_per_row > 0)),
        density=float(np.mean(samples.balls_per_row) / k),
        coverage=float(np.mean(samples.rows_per_ball > 0)),
    )


def expected_coverage(n_real: int, n_fake: int, k: int = K) -> float:
    """Return the expected coverage if both sets have the same distribution (Naeem et al., 2020, section 3.3).

    1 - prod_{i=1..k} (n_real - i) / (n_real + n_fake - i), which is always below 1.
    """
    i = np.arange(1, k + 1, dtype=np.float64)
    return float(1 - np.prod((n_real - i) / (n_real + n_fake - i)))
