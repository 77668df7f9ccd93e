"""The Fréchet ratio of a class, and how much of it may be chance."""

import math

import numpy as np
import pytest

from pipeline.arrays import Float32Array
from pipeline.evaluation.measures.class_fid import chance_of_ratio
from pipeline.evaluation.reference import Reference, ratio


def features(n: int, seed: int, rare: float = 0.0, shift: float = 0.0) -> Float32Array:
    """Return features of which a share lies far away, as those of items with something rare do."""
    rng = np.random.default_rng(seed)
    values = rng.normal(shift, 1, (n, 8))
    values[rng.random(n) < rare] += 12
    return values.astype(np.float32)


@pytest.mark.parametrize("rare", [0.0, 0.02])
def test_chance_is_that_of_fresh_real_items(rare: float) -> None:
    """It is estimated from one set, and compared with the ratios of many."""
    logs, chances = [], []
    for seed in range(0, 60, 2):
        fake, real = features(60, seed, rare), Reference(features(90, seed + 1, rare), features(0, 0))
        found = ratio(fake, real, seed)
        assert found is not None
        logs.append(math.log(found.value or 1.0))
        chances.append(chance_of_ratio(fake, real, seed))
    assert np.mean(np.abs(logs) > 5 * np.asarray(chances)) == 0
    assert np.mean(chances) == pytest.approx(np.std(logs), rel=0.6)


def test_samples_far_from_their_class_are_beyond_chance() -> None:
    fake, real = features(60, 1, shift=2.0), Reference(features(90, 2), features(0, 0))
    found = ratio(fake, real, 0)
    assert found is not None
    assert math.log(found.value or 1.0) > 5 * chance_of_ratio(fake, real, 0)
