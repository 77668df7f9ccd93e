"""Distances in float64 against scikit-learn and brute force, over several blocks."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from pipeline.errors import InputError
from pipeline.evaluation.measures import distance_tiles
from pipeline.evaluation.measures.distance_tiles import BLOCK
from pipeline.evaluation.measures.distances import count_in_balls, nearest, neighbours, radii
from tests.pretended_cuda import GPU, pretend


def features(n: int, d: int = 16, seed: int = 0, offset: float = 0.0, dtype: Any = np.float32) -> Any:
    return (np.random.default_rng(seed).standard_normal((n, d)) + offset).astype(dtype)


@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("same", [False, True])
def test_nearest_equals_scikit_learn(offset: float, same: bool) -> None:
    a = features(2 * BLOCK + 300, offset=offset)
    b = a if same else features(BLOCK + 5, seed=1, offset=offset)
    distances, positions = neighbours(a, 4) if same else nearest(a, b, 4)
    tree = NearestNeighbors(n_neighbors=4, algorithm="brute").fit(b.astype(np.float64))
    expected, where = tree.kneighbors(None if same else a.astype(np.float64))
    if offset == 0:
        np.testing.assert_array_equal(positions, where)
    # scikit-learn loses digits far from the origin, so its neighbours are measured directly.
    direct = (
        np.linalg.norm(a[:, None].astype(np.float64) - b[where].astype(np.float64), axis=2)
        if len(a) * 4 < 10_000
        else expected
    )
    np.testing.assert_allclose(distances, direct, rtol=1e-5)


def test_any_order_and_any_tile_give_the_same_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted by distance, every further tile holds nearer items: hardly a distance can be left out."""
    monkeypatch.setattr(distance_tiles, "BLOCK", 7)
    monkeypatch.setattr(distance_tiles, "WIDTH", 13)
    a = features(60, d=3)
    a = a[np.argsort(-np.linalg.norm(a, axis=1))]
    table = np.linalg.norm(a[:, None].astype(np.float64) - a.astype(np.float64), axis=2)
    np.testing.assert_allclose(nearest(a, a, 5)[0], np.sort(table, axis=1)[:, :5], atol=1e-12)
    np.testing.assert_allclose(neighbours(a, 5)[0], np.sort(table, axis=1)[:, 1:6], atol=1e-12)
    limits = np.full(60, 1.5)
    assert count_in_balls(a, a, limits, limits)[0].balls_per_row.tolist() == (table < 1.5).sum(axis=1).tolist()
    collapsed = np.zeros_like(a)
    assert not radii(collapsed, 5).any()
    assert count_in_balls(collapsed, a, limits, limits)[0].rows_per_ball.max() == 60


def test_a_gpu_computes_the_products_and_changes_no_result() -> None:
    """Several tiles; on the device are products only, and one tile at a time comes back."""
    a, b = features(BLOCK + 40), features(2 * BLOCK, seed=1)
    radius = radii(b, 3)

    def measure() -> list[Any]:
        counts = count_in_balls(a, b, np.full(len(a), 4.0), radius)
        arrays = [array for one in counts for array in (one.balls_per_row, one.rows_per_ball)]
        return [*nearest(a, b, 3), *neighbours(a, 2), *arrays]

    expected = measure()
    with pretend() as gpu:
        with distance_tiles.distances_on(GPU):
            found = measure()
        returned = sum(count for line, count in gpu.waits.items() if line.endswith("(cpu)"))
        assert gpu.kernels["mm.out"] == returned == 7, gpu.report()
        gpu.clear()
        measure()
        assert not gpu.kernels, "outside of the context, the CPU computes"
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_near_ties_are_resolved_in_float64() -> None:
    """The distances differ by less than a hundredth of float32's resolution at this length."""
    far = np.zeros((6, 3))
    far[:, 0] = 1000 + np.array([5, 3, 1, 4, 2, 6]) * 1e-7
    _, positions = nearest(np.zeros((1, 3)), far, 3)
    assert positions.tolist() == [[2, 4, 1]]
    held, back = count_in_balls(np.zeros((1, 3)), far, np.array([1000 + 3.5e-7]), np.full(6, 1000 + 3.5e-7))
    assert back.balls_per_row.tolist() == [0, 1, 1, 0, 1, 0]
    assert back.rows_per_ball.tolist() == [3]
    assert held.rows_per_ball.tolist() == [0, 1, 1, 0, 1, 0]
    assert held.balls_per_row.tolist() == [3]


def test_points_on_the_surface_of_a_ball_are_outside() -> None:
    balls, _ = count_in_balls(np.array([[3.0, 4.0]]), np.zeros((2, 2)), np.ones(1), np.array([5.0, 5.0 + 1e-12]))
    assert balls.rows_per_ball.tolist() == [0, 1]


@settings(max_examples=40)
@given(n=st.integers(2, 30), m=st.integers(3, 30), d=st.integers(1, 5), seed=st.integers(0, 1000))
def test_counts_equal_brute_force(n: int, m: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # On a coarse grid many distances equal a radius exactly.
    a, b = rng.integers(0, 4, (n, d)).astype(np.float32), rng.integers(0, 4, (m, d)).astype(np.float32)
    radius = radii(b, 2)
    table = np.linalg.norm(a[:, None].astype(np.float64) - b.astype(np.float64), axis=2)
    own = np.linalg.norm(b[:, None].astype(np.float64) - b.astype(np.float64), axis=2)
    np.testing.assert_allclose(radius, np.sort(own + np.diag([np.inf] * m), axis=1)[:, 1])
    other = rng.random(n) * 3
    balls, back = count_in_balls(a, b, other, radius)
    assert back.balls_per_row.tolist() == (table < other[:, None]).sum(axis=0).tolist()
    assert back.rows_per_ball.tolist() == (table < other[:, None]).sum(axis=1).tolist()
    assert balls.balls_per_row.tolist() == (table < radius).sum(axis=1).tolist()
    assert balls.rows_per_ball.tolist() == (table < radius).sum(axis=0).tolist()


def test_unusable_features_are_rejected() -> None:
    x = features(5)
    with pytest.raises(InputError, match="5 nearest neighbours cannot be found among 4 images"):
        neighbours(x, 5)
    with pytest.raises(InputError, match="cannot be compared"):
        nearest(x, features(5, d=3), 1)
    x[2, 1] = np.nan
    with pytest.raises(InputError, match="finite"):
        nearest(features(4), x, 1)
