"""Turned samples: some that are upside down are found and described, real items and symmetric ones are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.arrays import Items
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.evaluation.measures.turned import RealSets, find_turned
from pipeline.items import ItemSpec
from pipeline.media.image.placement import symmetries

SPEC = ItemSpec(height=8, width=8, channels=1)


def wedges(n: int, seed: int) -> Items:
    """Return noisy pictures that are bright at the top and a little at the left."""
    y, x = np.mgrid[:8, :8]
    noise = np.random.default_rng(seed).normal(0, 30, (n, 8, 8))
    return np.asarray(np.clip(200 - 25 * y - 10 * x + noise, 0, 255).astype(np.uint8)[..., None])


def blank(n: int, seed: int) -> Items:
    """Return pictures of nothing but noise."""
    return np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 1)).astype(np.uint8)


def real_sets(make: Callable[[int, int], Items] = wedges) -> RealSets:
    return RealSets(ArrayItems(make(300, 1)), ArrayItems(make(500, 2)), SPEC, 256)


def test_a_tenth_that_is_upside_down_is_found_and_described(tmp_path: Path) -> None:
    samples = wedges(400, 0)
    samples[::10] = samples[::10, ::-1]
    for _ in range(2):  # computed, then from the cache
        found = find_turned(samples, real_sets(), symmetries(SPEC), tmp_path, "key")
        assert found is not None
        assert found.share.value == pytest.approx(0.1, abs=0.03)
        assert (found.share.null or 0) <= 0.01
        assert (found.share.z or 0) > 5
        assert found.seen["upside down"] > 0.9
        assert found.words[0][1] == "mirrored top to bottom"
        assert set(found.examples[:20]) <= set(range(0, 400, 10))
        assert not set(range(0, 400, 10)) & set(found.upright)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("make", [wedges, blank])
def test_real_items_are_not_turned_whatever_their_symmetry(make: Callable[[int, int], Items]) -> None:
    for seed in range(3, 8):
        found = find_turned(make(400, seed), real_sets(make), symmetries(SPEC))
        assert found is not None
        assert (found.share.z or 0) < 4


def test_turned_items_of_data_without_an_orientation_are_real() -> None:
    found = find_turned(blank(400, 0)[:, ::-1], real_sets(blank), symmetries(SPEC))
    assert found is not None
    assert max(found.seen.values()) < 0.1
    assert (found.share.z or 0) < 4


def test_without_orientations_or_with_few_items_nothing_is_measured() -> None:
    few = RealSets(ArrayItems(wedges(99, 1)), ArrayItems(wedges(500, 2)), SPEC, 256)
    assert find_turned(wedges(10, 0), few, symmetries(SPEC)) is None
    assert find_turned(wedges(10, 0), real_sets(), []) is None
    assert find_turned(wedges(0, 0), real_sets(), symmetries(SPEC)) is None


def test_noise_is_not_turned() -> None:
    found = find_turned(blank(400, 0), real_sets(), symmetries(SPEC))
    assert found is not None
    assert found.share.value == 0
