"""Intervals of measured values: over repeated draws, of a proportion, of a mean."""

from collections.abc import Sequence
from math import sqrt

import numpy as np

from pipeline.arrays import Float64Array
from pipeline.measure import Interval

COVERED = 0.95
Z = 1.959964
"""Quantile of the normal distribution for COVERED."""


def interval_of_draws(values: Sequence[float] | Float64Array) -> Interval:
    """Return the range of the middle 95 % of values from repeated draws of equal size."""
    low, high = np.quantile(values, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return Interval(float(low), float(high), f"range of 95 % of {len(values)} draws of equal size")


def wilson_interval(successes: int, total: int, over: str) -> Interval:
    """Return the Wilson score interval of a proportion (Wilson 1927).

    Args:
        successes: Number of successes.
        total: Number of trials, at least 1.
        over: What the trials are, in the plural.
    """
    share, scale = successes / total, 1 + Z**2 / total
    centre = (share + Z**2 / (2 * total)) / scale
    half = Z / scale * sqrt(share * (1 - share) / total + Z**2 / (4 * total**2))
    return Interval(max(0.0, centre - half), min(1.0, centre + half), f"95 % confidence interval over the {over}")


def interval_of_mean(values: Sequence[float] | Float64Array, over: str) -> Interval | None:
    """Return the normal interval of a mean; None for fewer than 2 values."""
    if len(values) < 2:
        return None
    mean, half = float(np.mean(values)), Z * float(np.std(values, ddof=1)) / sqrt(len(values))
    return Interval(mean - half, mean + half, f"95 % confidence interval over the {over}")
