"""How the mean profiles of samples and of real pieces are compared."""

import numpy as np

from pipeline.arrays import Float64Array


def total_variation(fake: Float64Array, real: Float64Array) -> float:
    """Return the share that would have to move to make two distributions equal."""
    return float(np.abs(normalise(fake) - normalise(real)).sum() / 2)


def normalise(shares: Float64Array) -> Float64Array:
    """Return shares of the last axis that sum to 1."""
    scaled: Float64Array = shares / np.maximum(shares.sum(axis=-1, keepdims=True), 1e-9)
    return scaled


def compare_intervals(fake: Float64Array, real: Float64Array, voices: int) -> float:
    """Return the total variation of the intervals of each voice, the mean over the voices."""
    ours, theirs = (normalise(counts.reshape(voices, -1)) for counts in (fake, real))
    return float(np.abs(ours - theirs).sum(axis=1).mean() / 2)


def compare_ratios(fake: Float64Array, real: Float64Array) -> float:
    """Return the largest difference of quotients: the first half of the values over the second half."""
    ours, theirs = (np.divide(*np.split(np.maximum(sums, 1e-9), 2)) for sums in (fake, real))
    return largest_difference(ours, theirs)


def largest_difference(fake: Float64Array, real: Float64Array) -> float:
    """Return the largest absolute difference."""
    return float(np.abs(fake - real).max())
