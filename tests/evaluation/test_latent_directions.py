"""Directions against known truths: linear and saturated attributes, groups, and eigenvectors."""

import numpy as np
import pytest

from pipeline.evaluation.latent_directions import (
    attribute_direction,
    changes,
    principal_directions,
    scale_to_deviation,
)

RNG = np.random.default_rng(0)
ONE_GROUP = np.zeros(20_000, dtype=np.int64)


def test_principal_directions_are_the_right_singular_vectors() -> None:
    weights = RNG.standard_normal((40, 6)) * [5, 1, 4, 1, 3, 1]
    found = principal_directions(weights, 3)
    _, _, expected = np.linalg.svd(weights)
    for direction, vector in zip(found, expected, strict=False):
        assert abs(direction @ vector) == pytest.approx(1)
        assert direction[np.abs(direction).argmax()] > 0
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-12)
    # No other unit vector changes the layers' outputs more than the first.
    others = RNG.standard_normal((500, 6))
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    assert np.linalg.norm(weights @ found[0]) > np.linalg.norm(others @ weights.T, axis=1).max()


@pytest.mark.parametrize("function", [lambda x: x, np.tanh, lambda x: (x > 1).astype(float), lambda x: x**3])
def test_the_direction_of_a_function_of_one_projection(function: object) -> None:
    """E[z f(a z)] = a E[f'(a z)] (Stein): any rising function of a projection has the direction of that projection."""
    z = RNG.standard_normal((20_000, 8))
    truth = np.array([3, 0, -4, 0, 0, 0, 0, 0]) / 5
    found = attribute_direction(z, function(z @ truth), ONE_GROUP)  # type: ignore[operator]
    assert np.linalg.norm(found) == pytest.approx(1)
    assert found @ truth > 0.99


def test_the_direction_is_taken_within_groups() -> None:
    """Groups whose means of latent and attribute rise together, while within each the attribute falls."""
    groups = np.arange(20_000) % 2
    z = RNG.standard_normal((20_000, 3))
    z[:, 0] += 10 * groups
    values = 100.0 * groups - z[:, 0]
    assert attribute_direction(z, values, groups)[0] == pytest.approx(-1, abs=0.01)
    assert attribute_direction(z, values, ONE_GROUP)[0] > 0.9


def test_a_constant_attribute_has_no_direction() -> None:
    assert not attribute_direction(RNG.standard_normal((50, 3)), np.full(50, 0.3), np.zeros(50, dtype=np.int64)).any()


def test_a_step_is_one_standard_deviation() -> None:
    w = RNG.standard_normal((20_000, 3)) * [1, 5, 1]
    step = scale_to_deviation(np.array([0.0, 1.0, 0.0]), w, ONE_GROUP)
    np.testing.assert_allclose(step, [0, 5, 0], rtol=0.03)


def test_changes_are_ordered_and_say_whether_they_are_monotonic() -> None:
    strengths = np.array([-2.0, -1, 0, 1, 2])
    means = {"up": 3 + 0.2 * strengths, "down": -4 * strengths, "hill": -(strengths**2) + 0.1 * strengths}
    found = changes(means, strengths, {"up": 0.1, "down": 8.0, "hill": 1.0})
    assert [change.name for change in found] == ["up", "down", "hill"]
    assert [change.per_step for change in found] == pytest.approx([2, -0.5, 0.1])
    assert [change.monotonic for change in found] == [True, True, False]
