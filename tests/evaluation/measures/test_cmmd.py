"""CMMD against its definition, and against the closed form for normal distributions."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.arrays import Float64Array
from pipeline.errors import InputError
from pipeline.evaluation.measures.cmmd import SIGMA, cmmd, gaussian, measure_cmmd
from pipeline.evaluation.measures.kid import mmd2


def normal(n: int, d: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Float64Array:
    return np.random.default_rng(seed).normal(size=(n, d)) * scale + shift


def test_it_equals_the_definition() -> None:
    x, y = normal(9, 3, 0), normal(9, 3, 1, 0.5)
    u, v = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))

    def k(a: Float64Array, b: Float64Array) -> float:
        return float(np.exp(-np.sum((a - b) ** 2) / (2 * 10.0**2)))

    pairs = [(i, j) for i in range(9) for j in range(9) if i != j]
    within = sum(k(u[i], u[j]) + k(v[i], v[j]) for i, j in pairs) / len(pairs)
    across = sum(k(a, b) for a in u for b in v) / 81
    assert cmmd(x, y) == pytest.approx(1000 * (within - 2 * across), rel=1e-9)
    assert cmmd(3 * x, y.astype(np.float32)) == pytest.approx(cmmd(x, y), rel=1e-5)


def test_the_kernel_distance_of_normals_has_a_closed_form() -> None:
    """For N(0, s^2 I) and N(m, s^2 I) the kernel's mean is known."""
    d, scale, shift = 4, 5.0, 3.0
    spread = SIGMA**2 + 2 * scale**2
    expected = 2 * (SIGMA**2 / spread) ** (d / 2) * (1 - np.exp(-d * shift**2 / (2 * spread)))
    found = mmd2(normal(3000, d, 2, scale=scale), normal(3000, d, 3, shift, scale), gaussian)
    assert found == pytest.approx(expected, rel=0.05)


def test_the_null_is_about_zero_and_a_shift_is_far_from_it(tmp_path: Path) -> None:
    pool, good, bad = normal(400, 8, 4), normal(200, 8, 5), normal(200, 8, 6, 0.5)
    first = measure_cmmd(good, pool, 0, tmp_path, "key")
    assert first == measure_cmmd(good, pool, 0, tmp_path, "key")
    assert first.z is not None
    assert abs(first.z) < 5
    far = measure_cmmd(bad, pool, 0, tmp_path, "key").z
    assert far is not None
    assert far > 20
    assert measure_cmmd(good[:1], pool, 0).value is None


def test_sets_of_different_sizes_are_rejected() -> None:
    with pytest.raises(InputError, match="equal size"):
        cmmd(normal(3, 2, 0), normal(4, 2, 1))
