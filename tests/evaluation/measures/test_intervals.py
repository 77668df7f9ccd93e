"""Intervals against published values and simulated coverage."""

import numpy as np
import pytest

from pipeline.evaluation.measures.intervals import interval_of_draws, interval_of_mean, wilson_interval


def test_wilson_intervals_match_published_values() -> None:
    """Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I."""
    for successes, total, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)]:
        found = wilson_interval(successes, total, "images")
        assert [found.low, found.high] == pytest.approx([low, high], abs=1e-4)
    assert wilson_interval(1, 29, "images").meaning == "95 % confidence interval over the images"


def test_intervals_of_a_mean_cover_it() -> None:
    rng = np.random.default_rng(0)
    intervals = [interval_of_mean(rng.normal(3, 2, 50), "images") for _ in range(2000)]
    covered = np.mean([found is not None and found.low < 3 < found.high for found in intervals])
    assert 0.93 < covered < 0.96
    assert interval_of_mean([1.0], "images") is None


def test_intervals_of_draws_are_their_quantiles() -> None:
    found = interval_of_draws(np.arange(101.0))
    assert [found.low, found.high] == pytest.approx([2.5, 97.5])
    assert found.meaning == "range of 95 % of 101 draws of equal size"
