"""Nearest training images against scikit-learn, over more rows than one chunk, and a copy that is its own nearest."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from pipeline.evaluation.neighbours import CHUNK, nearest


def test_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    among = rng.standard_normal((2 * CHUNK + 77, 16)).astype(np.float32)
    samples = rng.standard_normal((9, 16)).astype(np.float32)
    distances, positions = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(among.astype(np.float64)).kneighbors(samples.astype(np.float64))
    found, measured = nearest(samples, among, 5)
    np.testing.assert_array_equal(found, positions)
    np.testing.assert_allclose(measured, distances, rtol=1e-5)


def test_a_copy_is_its_own_nearest_at_no_distance() -> None:
    among = np.random.default_rng(1).standard_normal((50, 8)).astype(np.float32) + 1000
    positions, distances = nearest(among[[7, 3]], among, 2)
    assert positions[:, 0].tolist() == [7, 3]
    assert distances[:, 0].max() < 1e-3


def test_fewer_images_than_asked_for() -> None:
    positions, distances = nearest(np.zeros((2, 3), np.float32), np.ones((1, 3), np.float32), 4)
    assert positions.tolist() == [[0], [0]]
    assert distances.shape == (2, 1)
    assert nearest(np.zeros((0, 3), np.float32), np.ones((5, 3), np.float32), 4)[0].shape == (0, 4)
