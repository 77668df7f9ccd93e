"""FID-infinity recovers the distance of the distributions, which the plain distance misses by its bias."""

import numpy as np
import pytest

from pipeline.evaluation.measures.fid import fid
from pipeline.evaluation.measures.fid_infinity import fid_infinity


def test_bias_is_gone() -> None:
    """Normals with means 0.3 apart in each of 32 dimensions: 32 * 0.09 = 2.88; 1,500 samples show more than that, the extrapolation does not."""
    rng = np.random.default_rng(0)
    real = rng.standard_normal((60_000, 32))
    plain, limit = [], []
    for seed in range(6):
        fake = np.random.default_rng(seed + 1).standard_normal((1500, 32)) + 0.3
        plain.append(fid(fake, real) - 2.88)
        limit.append((fid_infinity(fake, real, seed) or 0.0) - 2.88)
    assert np.mean(plain) > 0.15
    assert abs(np.mean(limit)) < np.mean(plain) / 3


def test_it_repeats_and_says_when_there_are_too_few() -> None:
    rng = np.random.default_rng(0)
    fake, real = rng.standard_normal((200, 4)), rng.standard_normal((300, 4))
    assert fid_infinity(fake, real, 3) == fid_infinity(fake, real, 3)
    assert fid_infinity(fake, real, 3) == pytest.approx(0.0, abs=0.2)
    assert fid_infinity(fake[:19], real, 3) is None
