"""FID-infinity removes the bias of FID for finite samples."""

import numpy as np
import pytest

from pipeline.evaluation.measures.fid import fid
from pipeline.evaluation.measures.fid_infinity import fid_infinity


def test_the_bias_is_removed() -> None:
    """Normals whose means differ by 0.3 in each of 32 dimensions have a distance of 32 * 0.09 = 2.88."""
    rng = np.random.default_rng(0)
    real = rng.standard_normal((60_000, 32))
    plain, limit = [], []
    for seed in range(6):
        fake = np.random.default_rng(seed + 1).standard_normal((1500, 32)) + 0.3
        plain.append(fid(fake, real) - 2.88)
        limit.append((fid_infinity(fake, real, seed) or 0.0) - 2.88)
    assert np.mean(plain) > 0.15
    assert abs(np.mean(limit)) < np.mean(plain) / 3


def test_it_is_reproducible_and_none_for_too_few_samples() -> None:
    rng = np.random.default_rng(0)
    fake, real = rng.standard_normal((200, 4)), rng.standard_normal((300, 4))
    assert fid_infinity(fake, real, 3) == fid_infinity(fake, real, 3)
    assert fid_infinity(fake, real, 3) == pytest.approx(0.0, abs=0.2)
    assert fid_infinity(fake[:19], real, 3) is None
