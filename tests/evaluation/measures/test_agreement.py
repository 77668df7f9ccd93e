"""Classes asked for and classes seen: counts, shares and confusions in closed form."""

import numpy as np
import pytest

from pipeline.evaluation.measures.agreement import Agreement, two_proportions


def agreement(samples: list[list[int]], real: list[list[int]]) -> Agreement:
    return Agreement(np.array(samples), np.array(real))


def test_pairs_are_counted_and_unknown_labels_left_out() -> None:
    found = Agreement.of(
        (np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0])), (np.array([0, -1, 2]), np.array([0, 0, 2])), 3
    )
    assert found.samples.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert found.real.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]


def test_the_share_is_compared_with_real_items_of_the_same_classes() -> None:
    """Real items of class 1 are recognised half of the time, and three quarters of the samples are of class 1."""
    found = agreement([[10, 0], [15, 15]], [[20, 0], [20, 20]])
    assert found.share == pytest.approx(25 / 40)
    assert found.expected == pytest.approx((10 * 1.0 + 30 * 0.5) / 40)
    assert found.relative.tolist() == [1.0, 1.0]


def test_the_worst_class_and_what_it_shows_instead() -> None:
    found = agreement([[90, 10, 0], [0, 20, 80], [0, 100, 0]], [[100, 0, 0], [0, 100, 0], [0, 0, 100]])
    assert found.worst == 2
    assert found.relative.tolist() == [0.9, 0.2, 0.0]
    assert (found.shown_instead(1), found.shown_instead(2)) == (2, 1)
    assert found.deviation(2) < -10
    assert found.deviation(0) == pytest.approx((0.9 - 1.0) / np.sqrt(190.5 / 201 * (1 - 190.5 / 201) * 2 / 100))


def test_classes_without_samples_or_recognised_items_have_no_share() -> None:
    found = agreement([[5, 0, 0], [0, 0, 0], [0, 0, 5]], [[5, 0, 0], [0, 5, 0], [5, 0, 0]])
    assert found.relative[0] == 1.0
    assert np.isnan(found.relative[1:]).all()
    assert agreement([[0, 0], [0, 0]], [[1, 0], [0, 1]]).worst is None


def test_the_spread_is_that_of_real_items() -> None:
    """Draws of two sets with the same probability differ by it."""
    rng, p, n, m = np.random.default_rng(0), 0.9, 500, 200
    differences = rng.binomial(n, p, 20_000) / n - rng.binomial(m, p, 20_000) / m
    found = agreement([[int(p * n), n - int(p * n)], [0, 0]], [[int(p * m), m - int(p * m)], [0, 0]])
    assert found.spread() == pytest.approx(differences.std(), rel=0.02)


def test_the_score_of_empty_sets_is_zero() -> None:
    assert two_proportions(0, 0, 5, 5) == 0.0
    assert abs(two_proportions(50, 100, 100, 200)) < 1e-12
