"""Blends: means of two items are found, other real items are not."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation.measures.blends import Pairs, find_blends
from pipeline.evaluation.measures.copies import ImageSets


def clusters(n: int, seed: int) -> np.ndarray:
    """Return points near some of 30 fixed places, in 20 dimensions."""
    places = np.random.default_rng(99).normal(0, 5, (30, 20))
    rng = np.random.default_rng(seed)
    return (places[rng.integers(0, 30, n)] + rng.normal(0, 1, (n, 20))).astype(np.float32)


def test_a_tenth_of_blends_is_found(tmp_path: Path) -> None:
    samples, others = clusters(400, 0), clusters(400, 5)
    samples[:40] = (samples[:40] + others[:40]) / 2
    sets = ImageSets(samples, clusters(300, 1), clusters(500, 2))
    for _ in range(2):  # computed, then from the cache
        found = find_blends(sets, tmp_path, "key")
        assert found is not None
        assert found.share.value == pytest.approx(0.1, abs=0.03)
        assert found.seen > 0.8
        assert (found.share.z or 0) > 5
    assert len(list(tmp_path.iterdir())) == 1


def test_real_items_are_no_blends() -> None:
    for seed in range(3, 8):
        found = find_blends(ImageSets(clusters(400, seed), clusters(300, 1), clusters(500, 2)))
        assert found is not None
        assert (found.share.z or 0) < 4


def test_distances_are_those_to_all_means_of_two_items() -> None:
    items, others = clusters(21, 0), clusters(10, 1)  # so few that every item is tried as one of the two
    single = np.linalg.norm(others[:, None] - items, axis=2).min(axis=1)
    first, second = np.triu_indices(len(items), 1)
    means = (items[first] + items[second]) / 2
    expected = single / np.linalg.norm(others[:, None] - means, axis=2).min(axis=1)
    assert Pairs(items).gains(others) == pytest.approx(expected, rel=1e-3)


def test_with_few_items_nothing_is_measured() -> None:
    assert find_blends(ImageSets(clusters(400, 0), clusters(99, 1), clusters(500, 2))) is None
    assert find_blends(ImageSets(clusters(400, 0), clusters(300, 1), clusters(49, 2))) is None
