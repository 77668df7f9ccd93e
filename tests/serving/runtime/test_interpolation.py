"""Spherical interpolation: end points, norms, constant speed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.serving.graph_tensors import latents
from pipeline.serving.runtime.interpolation import loop, spherical, strips


def test_orthogonal_latents_follow_a_quarter_circle() -> None:
    path = spherical(np.array([2, 0, 0], dtype=np.float32), np.array([0, 2, 0], dtype=np.float32), np.linspace(0, 1, 7))
    angles = np.linspace(0, math.pi / 2, 7)
    assert path.dtype == np.float32
    assert np.allclose(path, np.stack([2 * np.cos(angles), 2 * np.sin(angles), np.zeros(7)], axis=1), atol=1e-6)


@given(seed=st.integers(0, 2**32), length=st.integers(1, 300), steps=st.integers(2, 12))
def test_ends_are_exact_and_norms_stay_between_them(seed: int, length: int, steps: int) -> None:
    start, end = latents(seed, 0, 2, length)
    path = spherical(start, end, np.linspace(0, 1, steps))
    assert np.array_equal(path[[0, -1]], [start, end])
    assert np.isfinite(path).all()
    if length >= 50:  # where latents are nearly orthogonal; the straight line would dip to 0.71 of their length
        assert np.linalg.norm(path, axis=1).min() > 0.97 * min(np.linalg.norm(start), np.linalg.norm(end))


@pytest.mark.parametrize("factor", [1.0, 3.0, -1.0, -2.0, 0.0])
def test_parallel_latents_are_interpolated_linearly(factor: float) -> None:
    start = np.array([1, -2, 0.5], dtype=np.float32)
    end = np.float32(factor) * start
    shares = np.array([0, 0.25, 1])
    assert np.allclose(spherical(start, end, shares), [(1 - t) * start + t * end for t in shares], atol=1e-6)


def test_strips_are_chained_and_loops_are_closed() -> None:
    z = latents(1, 0, 4, 20)
    rows = strips(z, 5)
    assert rows.shape == (3, 5, 20)
    assert np.array_equal(rows[:, 0], z[:-1])
    assert np.array_equal(rows[:, -1], z[1:])
    around = loop(z, 5)
    assert around.shape == (20, 20)
    assert np.array_equal(around[::5], z)
    paces = np.linalg.norm(np.roll(around, -1, axis=0) - around, axis=1)
    assert paces.min() > 0, "no frame repeats at the transition from one latent to the next"
    assert paces.max() < 2 * paces.min()
