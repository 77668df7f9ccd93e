"""FID-infinity removes the bias of FID for finite numbers of samples and of real images."""

import numpy as np
import pytest

from pipeline.evaluation.measures.fid import fid
from pipeline.evaluation.measures.fid_infinity import fid_infinity


def test_the_bias_is_removed() -> None:
    """Normals whose means differ by 0.3 in each of 32 dimensions have a distance of 32 * 0.09 = 2.88."""
    plain, limit = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        pool, fake = rng.standard_normal((2000, 32)), rng.standard_normal((1000, 32)) + 0.3
        found = fid_infinity(fake, pool, seed)
        assert isinstance(found.value, float)
        assert found.null == pytest.approx(0.0, abs=0.1)
        plain.append(fid(fake, pool[:1000]) - 2.88)
        limit.append(found.value - 2.88)
    assert np.mean(plain) > 0.4
    assert abs(np.mean(limit)) < np.mean(plain) / 3


def test_new_real_images_are_as_far_as_the_null_says() -> None:
    """Over the samples alone, the 500 real images leave a distance of about 5, although the true one is 0."""
    rng = np.random.default_rng(0)
    pool, fake = rng.standard_normal((1000, 96)), rng.standard_normal((3000, 96))
    found = fid_infinity(fake, pool, 0)
    assert found.value == pytest.approx(found.null, abs=1.0)
    assert found.null == pytest.approx(0.0, abs=1.0)
    assert found.spread is not None
    assert found.spread < 1.0
    worse = fid_infinity(fake + 0.5, pool, 0)
    assert worse.value == pytest.approx(96 * 0.25, abs=2.0)


def test_it_is_reproducible_and_none_for_too_few_images() -> None:
    rng = np.random.default_rng(0)
    fake, real = rng.standard_normal((200, 4)), rng.standard_normal((300, 4))
    assert fid_infinity(fake, real, 3) == fid_infinity(fake, real, 3)
    assert fid_infinity(fake, real, 3).value == pytest.approx(0.0, abs=0.2)
    assert fid_infinity(fake[:19], real, 3).value is None
    assert fid_infinity(fake, real[:39], 3).value is None
