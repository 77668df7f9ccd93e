"""The linear probe on data with known accuracy, and against scikit-learn."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from pipeline.errors import InputError
from pipeline.evaluation.measures.linear_probe import STRENGTHS, hold_out, limit_per_class, probe


def blobs(n: int, distance: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return three classes in 20 dimensions of very different scales, `distance` standard deviations apart."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    points = rng.standard_normal((n, 20))
    points[np.arange(n), labels] += distance
    return (points * 10.0 ** np.linspace(-4, 4, 20) + 1000).astype(np.float32), labels


def test_linearly_separable_classes_have_accuracy_1_at_any_scale() -> None:
    assert probe(*blobs(300, 12, 0), *blobs(200, 12, 1), seed=0).accuracy == 1.0


def test_noise_has_the_accuracy_of_chance() -> None:
    (train, labels), (test, test_labels) = blobs(600, 0, 0), blobs(600, 0, 1)
    assert probe(train, labels, test, test_labels, seed=0).accuracy == pytest.approx(
        1 / 3, abs=4 * np.sqrt(2 / 9 / 600)
    )


def test_a_disc_in_a_ring_is_not_separated() -> None:
    """A probe that is not linear would separate these classes."""
    points = np.random.default_rng(0).standard_normal((800, 2)).astype(np.float32)
    labels = (np.linalg.norm(points, axis=1) > 1.1774).astype(np.int64)  # the median: half of the points are inside
    assert probe(points[:400], labels[:400], points[400:], labels[400:], seed=0).accuracy < 0.62


def test_it_equals_logistic_regression_on_standardised_features() -> None:
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(labels))
    pixels, labels = pixels[order].astype(np.float32), labels[order].astype(np.int64)
    train, test = slice(0, 500), slice(500, 1500)
    found = probe(pixels[train], labels[train], pixels[test], labels[test], seed=0)
    assert found == probe(pixels[train], labels[train], pixels[test], labels[test], seed=0)
    mean, deviation = pixels[train].mean(axis=0), pixels[train].std(axis=0)
    deviation[deviation == 0] = 1  # pixels that are always black
    by_hand = {
        c: LogisticRegression(C=c, max_iter=2000).fit((pixels[train] - mean) / deviation, labels[train])
        for c in STRENGTHS
    }
    scores = {c: fitted.score((pixels[test] - mean) / deviation, labels[test]) for c, fitted in by_hand.items()}
    assert found.accuracy == pytest.approx(scores[found.c], abs=0.005)
    assert found.accuracy > max(scores.values()) - 0.02, "the strength is chosen well"
    assert found.accuracy > scores[STRENGTHS[0]] + 0.02, "the choice of the strength matters"


def test_the_strength_does_not_depend_on_the_test_labels() -> None:
    (train, labels), (test, _) = blobs(300, 1, 0), blobs(300, 1, 1)
    strengths = {
        probe(train, labels, test, wrong, seed=0).c for wrong in (np.zeros(300, dtype=np.int64), np.arange(300) % 3)
    }
    assert len(strengths) == 1


def test_a_fifth_of_each_class_is_held_out() -> None:
    labels = np.array([0] * 50 + [1] * 7 + [2] * 2 + [3])
    held = hold_out(labels, 0)
    assert [int(held[labels == k].sum()) for k in range(4)] == [10, 1, 1, 0]
    assert np.array_equal(held, hold_out(labels, 0))
    assert not np.array_equal(held, hold_out(labels, 1))


def test_the_number_of_items_per_class_is_limited() -> None:
    labels = np.array([2, -1, 0] * 40 + [1])
    picked = limit_per_class(labels, 25, 0)
    assert np.bincount(labels[picked]).tolist() == [25, 1, 25]
    assert np.all(np.diff(picked) > 0)
    assert np.array_equal(picked, limit_per_class(labels, 25, 0))
    assert limit_per_class(np.array([-1, -1]), 5, 0).tolist() == []
    assert limit_per_class(labels, 1000, 0).tolist() == np.flatnonzero(labels >= 0).tolist()


@pytest.mark.parametrize("labels", [[1, 1, 1, 1], [0, 1, 2, 3]])
def test_too_few_classes_or_items_are_rejected(labels: list[int]) -> None:
    features = np.eye(4, dtype=np.float32)
    with pytest.raises(InputError, match="at least two classes with two training images each"):
        probe(features, np.array(labels), features, np.array(labels), seed=0)
