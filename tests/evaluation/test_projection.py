"""The map against scikit-learn's principal components, and the order of typical samples."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from pipeline.evaluation.projection import POINTS, project_to_plane, rank_by_typicality


def test_the_map_shows_the_first_two_principal_components() -> None:
    rng = np.random.default_rng(0)
    real = rng.standard_normal((800, 6)) * np.array([1, 5, 2, 0.1, 0.1, 0.1]) + 7
    fake = rng.standard_normal((300, 6)) + 7
    ours, theirs = project_to_plane(fake, real, 0)
    reference = PCA(2).fit(real)
    assert theirs.var(axis=0, ddof=1) == pytest.approx(reference.explained_variance_, rel=1e-6)
    assert ours.shape == (300, 2)
    assert sorted(np.abs(ours[:, 0])) == pytest.approx(sorted(np.abs(reference.transform(fake)[:, 0])), rel=1e-6)
    np.testing.assert_array_equal(project_to_plane(fake, real, 0)[0], ours)


def test_the_number_of_points_is_limited_and_one_feature_suffices() -> None:
    ours, theirs = project_to_plane(np.zeros((5, 1)), np.random.default_rng(0).standard_normal((4000, 1)), 0)
    assert theirs.shape == (POINTS, 2)
    assert (ours[:, 1] == 0).all()


def test_samples_are_ordered_by_their_distance_to_real_images() -> None:
    real = np.array([[0.0], [10.0]])
    fake = np.array([[5.0], [0.1], [9.0], [100.0]])
    assert rank_by_typicality(fake, real).tolist() == [1, 2, 0, 3]
    assert rank_by_typicality(fake[:0], real).tolist() == []
