"""FID against closed forms and other implementations, invariances, and inputs that break naive formulas."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch_fidelity.metric_fid import fid_statistics_to_metric

from pipeline.arrays import Float64Array
from pipeline.errors import InputError
from pipeline.evaluation.measures.fid import (
    ROWS,
    STRIP,
    Moments,
    Side,
    fid,
    frechet,
    mirror_lower,
    product_eigenvalues,
)


def correlated(n: int, d: int, seed: int, shift: float = 0.0) -> Float64Array:
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(seed + 1000).normal(size=(d, d)) / np.sqrt(d)
    return np.asarray(rng.normal(size=(n, d)) @ mixing + shift, dtype=np.float64)


def moments(mean: Float64Array, covariance: Float64Array) -> Moments:
    return Moments(2, mean, covariance)


def test_distance_of_normals_with_different_means_and_variances() -> None:
    """N(0, I) and N(1, 4 I) in 512 dimensions differ by 512 in the means and 512 (1 + 4 - 4) in the covariances."""
    d = 512
    value = frechet(moments(np.zeros(d), np.eye(d)), moments(np.ones(d), 4 * np.eye(d)))
    assert value == pytest.approx(1024, rel=1e-12)


def test_distance_of_normals_with_different_means_in_2048_dimensions() -> None:
    d = 2048
    assert frechet(moments(np.zeros(d), np.eye(d)), moments(np.ones(d), np.eye(d))) == pytest.approx(2048, rel=1e-12)


def test_distance_of_normals_with_commuting_covariances() -> None:
    """In a shared eigenbasis the distance is sum (sqrt a - sqrt b)^2.

    The eigenvalues span ten orders of magnitude, and some are zero.
    """
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.normal(size=(48, 48)))
    a, b = 10.0 ** rng.uniform(-6, 4, 48), 10.0 ** rng.uniform(-6, 4, 48)
    a[:5], b[3:9] = 0.0, 0.0
    value = frechet(moments(np.zeros(48), (basis * a) @ basis.T), moments(np.zeros(48), (basis * b) @ basis.T))
    assert value == pytest.approx(np.sum((np.sqrt(a) - np.sqrt(b)) ** 2), rel=1e-7)


@pytest.mark.parametrize(("n", "m", "d"), [(300, 200, 32), (2000, 1500, 64), (40, 300, 64), (30, 20, 64), (65, 64, 64)])
def test_equals_the_matrix_square_root(n: int, m: int, d: int) -> None:
    x, y = correlated(n, d, 1), correlated(m, d, 2, 0.3)
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    # sqrtm needs a small ridge if the covariances are singular.
    ridge = 0.0 if min(n, m) > d + 1 else 1e-9
    root = sqrtm((s1 + ridge * np.eye(d)) @ (s2 + ridge * np.eye(d))).real
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(s1 + s2 - 2 * root)
    assert fid(x, y) == pytest.approx(expected, rel=1e-6 if ridge == 0.0 else 2e-3)


@pytest.mark.parametrize(("n", "m", "d"), [(300, 200, 32), (2000, 1500, 64), (5000, 360, 64), (700, 700, 512)])
def test_equals_torch_fidelity(n: int, m: int, d: int) -> None:
    x, y = correlated(n, d, 3), correlated(m, d, 4, 0.2)
    statistics = [{"mu": z.mean(axis=0), "sigma": np.cov(z, rowvar=False)} for z in (x, y)]
    expected = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert fid(x, y) == pytest.approx(float(expected), rel=1e-6)


def test_features_and_moments_give_the_same_distance() -> None:
    x, y = correlated(33, 32, 5), correlated(32, 32, 6)
    assert fid(x, y) == pytest.approx(frechet(Moments.of(x), Moments.of(y)), rel=1e-6)


def test_constant_and_repeated_features() -> None:
    """A constant feature adds its squared difference; repeating every feature doubles the distance."""
    x, y = correlated(400, 16, 7), correlated(300, 16, 8)
    dead = [np.concatenate([z, np.full((len(z), 1), value)], axis=1) for z, value in ((x, 3.0), (y, 5.0))]
    assert fid(*dead) == pytest.approx(fid(x, y) + 4.0, rel=1e-9)
    doubled = [np.concatenate([z, z], axis=1) for z in (x, y)]
    assert fid(*doubled) == pytest.approx(2 * fid(x, y), rel=1e-9)


def test_distance_of_equal_items_is_that_of_the_means_plus_the_other_variance() -> None:
    x = correlated(500, 8, 9)
    still = np.full((50, 8), 2.0)
    expected = np.sum((x.mean(0) - 2.0) ** 2) + np.trace(np.cov(x, rowvar=False))
    assert fid(still, x) == pytest.approx(expected, rel=1e-12)
    assert fid(still, still) == 0.0


@settings(max_examples=30)
@given(st.integers(2, 60), st.integers(2, 60), st.integers(1, 24), st.integers(0, 10_000))
def test_distances_are_symmetric_invariant_and_not_negative(n: int, m: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d)) * 2 + 1
    value = fid(x, y)
    assert value >= 0
    assert fid(y, x) == pytest.approx(value, rel=1e-7, abs=1e-9)
    assert fid(x[rng.permutation(n)], y) == pytest.approx(value, rel=1e-7, abs=1e-9)
    rotation, _ = np.linalg.qr(rng.normal(size=(d, d)))
    assert fid(x @ rotation + 7, y @ rotation + 7) == pytest.approx(value, rel=1e-6, abs=1e-7)
    assert fid(3 * x, 3 * y) == pytest.approx(9 * value, rel=1e-6, abs=1e-7)
    assert fid(x, x) == pytest.approx(0, abs=1e-6 * (1 + np.trace(np.atleast_2d(np.cov(x, rowvar=False)))))


@settings(max_examples=30)
@given(st.integers(2, 60), st.integers(1, 20), st.floats(-1e6, 1e6))
def test_moments_of_blocks_equal_those_of_all_items(n: int, rows: int, offset: float) -> None:
    x = np.random.default_rng(n).normal(size=(n, 5)) + offset
    with patch("pipeline.evaluation.measures.fid.ROWS", rows):
        found = Moments.of(x)
    assert found.count == n
    np.testing.assert_allclose(found.mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(x, rowvar=False), rtol=1e-6, atol=1e-8)


def test_a_large_offset_does_not_reduce_the_precision() -> None:
    x, y = correlated(500, 16, 10), correlated(500, 16, 11)
    assert fid(x + 1e4, y + 1e4) == pytest.approx(fid(x, y), rel=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nonfinite_features_are_rejected(value: float) -> None:
    x = correlated(20, 4, 12)
    y = x.copy()
    y[3, 1] = value
    with pytest.raises(InputError, match="features of 1 of 20 items contain NaN or Inf"):
        fid(x, y)


def test_unusable_features_are_rejected() -> None:
    x = correlated(20, 4, 13)
    for other, message in (
        (x[:1], "at least 2 items"),
        (x[:0], "non-empty"),
        (x[:, :0], "non-empty"),
        (x[0], "non-empty array"),
        (x[:, :3], "4 and 3 dimensions"),
        (x * 1e200, "overflow"),
    ):
        with pytest.raises(InputError, match=message):
            fid(x, other)
    with pytest.raises(InputError, match="overflow"):
        fid(x * 1e200, x)
    with pytest.raises(InputError, match="at least 2"):
        frechet(Moments.of(x), Moments.of(x[:1]))


def test_dead_features_do_not_change_the_distance() -> None:
    """A singular covariance has no Cholesky factor."""
    x, y = correlated(200, 16, 21), correlated(180, 16, 22)
    dead = np.concatenate([y, np.zeros((180, 1))], axis=1), np.concatenate([x, np.ones((200, 1))], axis=1)
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    oracle = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(s1 + s2 - 2 * sqrtm(s1 @ s2).real)
    assert Moments.of(dead[0]).lower is None
    assert fid(x, y) == pytest.approx(oracle, rel=1e-7)
    assert fid(*dead) == pytest.approx(oracle + 1, rel=1e-7)


def test_moments_are_exact_far_from_the_origin_and_in_any_order() -> None:
    """The first rows, on which the features are centred, differ from the others."""
    x = np.sort(correlated(3 * ROWS, 4, 23), axis=0) + 1e4
    moments = Moments.of(x)
    np.testing.assert_allclose(moments.mean, x.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(moments.covariance, np.cov(x, rowvar=False), rtol=1e-10)


def test_a_reused_side_gives_the_same_distances() -> None:
    x, few, many = correlated(60, 8, 14), correlated(7, 8, 15), correlated(90, 8, 16)
    kept = Side(x)
    for other in (few, many, many, few):
        assert fid(other, kept) == fid(other, x)
    with pytest.raises(InputError, match="NaN"):
        _ = Side(np.full((3, 2), np.nan)).moments


@pytest.mark.parametrize("d", [1, 7, STRIP, 2 * STRIP + 3])
def test_the_eigenvalues_are_those_of_the_direct_product(d: int) -> None:
    rng = np.random.default_rng(d)
    lower, half = np.tril(rng.standard_normal((d, d))), rng.standard_normal((d, d))
    direct = np.linalg.eigvalsh(lower.T @ half @ half.T @ lower)
    np.testing.assert_allclose(product_eigenvalues(lower, half @ half.T), direct, rtol=1e-9, atol=1e-9 * direct.max())


@pytest.mark.parametrize("d", [1, 7, STRIP, 2 * STRIP + 3])
def test_the_lower_triangle_is_mirrored(d: int) -> None:
    full = np.random.default_rng(d).standard_normal((d, d))
    mirrored = full.copy()
    mirror_lower(mirrored)
    np.testing.assert_array_equal(mirrored, np.tril(full) + np.tril(full, -1).T)
