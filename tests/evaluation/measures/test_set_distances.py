"""Sets compared by a distance between items: alike, collapsed, and far apart."""

import numpy as np
import pytest

from pipeline.arrays import FloatArray, Items
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.evaluation.measures.set_distances import compare_sets


def absolute(first: Items, second: Items) -> FloatArray:
    """Return the distances of numbers."""
    return np.abs(first.reshape(-1, 1).astype(np.float32) - second.reshape(1, -1).astype(np.float32))


def numbers(n: int, seed: int, low: int = 0, high: int = 30_000) -> ArrayItems:
    return ArrayItems(np.random.default_rng(seed).integers(low, high, (n, 1, 1, 1)).astype(np.uint16))


def test_sets_that_are_alike_have_the_values_of_their_null() -> None:
    found = compare_sets(numbers(300, 0), numbers(400, 1), absolute, 0)
    for measurement in found.values():
        assert measurement.z is not None
        assert abs(measurement.z) < 3
    assert found["neighbours"].number == pytest.approx(0.5, abs=0.05)


def test_a_collapsed_set_covers_little_although_it_has_near_neighbours() -> None:
    found = compare_sets(numbers(300, 0, 15_000, 15_001), numbers(400, 1), absolute, 0)
    coverage, matching = found["coverage"], found["matching"]
    assert (coverage.number or 0) < 0.1 * (coverage.null or 0)
    assert (matching.number or 0) > 10 * (matching.null or 0)


def test_sets_far_apart_have_neighbours_of_their_own() -> None:
    found = compare_sets(numbers(300, 0, 40_000, 60_000), numbers(400, 1), absolute, 0)
    assert found["neighbours"].number == 1


def test_few_items_and_media_without_a_distance_are_not_compared() -> None:
    assert compare_sets(numbers(5, 0), numbers(400, 1), absolute, 0) == {}
    assert compare_sets(numbers(300, 0), numbers(400, 1), lambda first, second: None, 0) == {}
