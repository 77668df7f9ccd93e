"""k-means against scikit-learn, and the comparison of bins against closed forms."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.distance import jensenshannon
from sklearn.cluster import KMeans

from pipeline.evaluation.measures.bins import assign, compare_bins, k_means
from pipeline.evaluation.measures.calibration import measure_with_nulls


def blobs(n: int, seed: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((10, 6)) * 10
    return (centres[rng.integers(0, 10, n)] + rng.standard_normal((n, 6))).astype(np.float32)


def test_k_means_is_as_good_as_scikit_learn_s_and_reproducible() -> None:
    x = blobs(2000, 0)
    centres = k_means(x, 20, 3)
    np.testing.assert_array_equal(centres, k_means(x, 20, 3))
    inertia = np.square(x - centres[assign(x, centres)]).sum()
    assert inertia < 1.15 * KMeans(20, n_init=10, random_state=0).fit(x).inertia_


def test_k_means_of_few_or_equal_items_has_fewer_centres() -> None:
    assert len(k_means(blobs(5, 0), 100, 0)) == 5
    assert len(k_means(np.ones((50, 3), np.float32), 100, 0)) == 1


def test_equal_distributions_differ_in_5_percent_of_the_bins() -> None:
    centres = k_means(blobs(5000, 0), 100, 0)
    shares = [
        compare_bins(assign(blobs(3000, 10 + k), centres), assign(blobs(3000, 50 + k), centres), 100).different
        for k in range(6)
    ]
    assert np.mean(shares) == pytest.approx(0.05, abs=0.025)


def test_shares_and_divergence_against_closed_forms() -> None:
    fake, real = np.repeat([0, 1, 2], [60, 30, 10]), np.repeat([0, 1, 2], [40, 40, 20])
    found = compare_bins(fake, real, 4)
    p, q, pooled = 0.6, 0.4, 0.5
    assert abs(p - q) / math.sqrt(pooled * (1 - pooled) * 2 / 100) > 1.96
    assert found.different == pytest.approx(2 / 4), "the first bin and, with z = 1.98, the third"
    assert found.divergence == pytest.approx(jensenshannon([0.6, 0.3, 0.1, 0], [0.4, 0.4, 0.2, 0]) ** 2)
    assert compare_bins(np.zeros(5, int), np.ones(5, int), 2).divergence == pytest.approx(math.log(2))


@pytest.mark.parametrize("distinct", [400, 3])
def test_measures_from_cached_bins_are_the_same(distinct: int, tmp_path: Path) -> None:
    """Few distinct items have fewer bins."""
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(distinct, 4)).astype(np.float32)[np.arange(400) % distinct]
    fake = rng.normal(size=(150, 4)).astype(np.float32)
    computed, written, cached = (measure_with_nulls(fake, pool, 0, cache, "pool") for cache in (None, *[tmp_path] * 2))
    assert computed == written == cached
    assert computed["jsd"].number is not None
    (file,) = tmp_path.glob("bins-*.pt")
    before = file.stat().st_mtime_ns
    measure_with_nulls(-fake, pool, 0, tmp_path, "pool")
    assert file.stat().st_mtime_ns == before
