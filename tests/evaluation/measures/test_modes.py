"""Duplicates, histograms of classes, and missing classes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from pipeline.arrays import Float64Array, Int64Array
from pipeline.errors import InputError
from pipeline.evaluation.measures.modes import (
    Modes,
    binomial_tail,
    count_distinct,
    duplicate_rate,
    histogram,
    histogram_kl,
    kl_null,
    share_deviations,
)


def counts(*values: int) -> Int64Array:
    return np.array(values, dtype=np.int64)


def modes_of(fake: Int64Array, real: Int64Array) -> Modes:
    """Return the modes of a classifier that makes no errors."""
    return Modes(fake, real, np.zeros(len(real)), np.zeros(len(real)))


@given(st.integers(1, 40), st.integers(1, 5))
def test_duplicates_are_counted_exactly(n: int, times: int) -> None:
    images = np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(n)
    repeated = np.repeat(images, times, axis=0)[np.random.default_rng(n).permutation(n * times)]
    assert count_distinct(repeated) == n
    assert duplicate_rate(repeated) == pytest.approx(1 - 1 / times)


def test_images_that_differ_in_one_level_are_no_duplicates() -> None:
    images = np.zeros((2, 8, 8, 1), dtype=np.uint8)
    images[1, 7, 7, 0] = 1
    assert duplicate_rate(images) == 0.0
    with pytest.raises(InputError, match="no images"):
        duplicate_rate(images[:0])


def test_the_histogram_counts_the_most_probable_classes() -> None:
    predicted = np.array([[0.1, 0.9, 0.0], [0.2, 0.3, 0.5], [0.0, 0.6, 0.4]], dtype=np.float32)
    assert histogram(predicted).tolist() == [0, 2, 1]


@given(st.lists(st.integers(0, 500), min_size=1, max_size=12), st.integers(0, 5))
def test_the_kl_divergence_is_finite_and_zero_for_equal_histograms(values: list[int], turn: int) -> None:
    fake, real = counts(*values), np.roll(counts(*values), turn)
    assert 0 <= histogram_kl(fake, real) < np.inf
    assert histogram_kl(fake, fake) == 0.0


def test_the_kl_divergence_of_half_of_the_classes_is_log_2() -> None:
    """The smoothing changes it slightly."""
    assert histogram_kl(counts(*[2000] * 5, *[0] * 5), counts(*[1000] * 10)) == pytest.approx(np.log(2), abs=5e-3)


def test_the_null_of_the_kl_divergence() -> None:
    """It is (K - 1) / 2 (1 / n + 1 / m) to first order."""
    modes = modes_of(fake=counts(*[500] * 10), real=counts(*[36] * 10))
    mean, spread = kl_null(modes, 0)
    assert mean == pytest.approx(4.5 * (1 / 5000 + 1 / 360), rel=0.15)
    assert spread == pytest.approx(mean * (2 / 9) ** 0.5, rel=0.2), "half a chi-square of nine degrees of freedom"
    assert kl_null(modes, 0) == kl_null(modes, 0)


@given(st.integers(1, 300), st.floats(0, 1), st.integers(0, 300))
def test_the_binomial_tail_equals_scipy(n: int, p: float, count: int) -> None:
    count = min(count, n)
    assert binomial_tail(count, n, p) == pytest.approx(float(binom.cdf(count, n, p)), rel=1e-6, abs=1e-12)


def test_a_class_with_few_samples_is_missing() -> None:
    modes = modes_of(fake=counts(540, 25, 520, 515), real=counts(90, 90, 90, 90))
    assert modes.missing == [1]
    assert (modes.covered, modes.total) == (3, 4)
    assert modes.smallest_share == pytest.approx(25 / 400)


def test_classes_are_undecidable_with_few_samples() -> None:
    """If 5 of 50 samples are expected of a class, none of it occurs once in 200 draws."""
    modes = modes_of(fake=counts(0, 45, 5), real=counts(10, 80, 10))
    assert modes.missing == []
    assert modes.undecidable == [0, 2]


def test_a_class_without_real_images_is_not_required() -> None:
    modes = modes_of(fake=counts(500, 500, 3), real=counts(50, 50, 0))
    assert (modes.covered, modes.total, modes.missing) == (2, 2, [])


def test_errors_of_the_classifier_do_not_make_a_class_present() -> None:
    """The classifier confuses 30 % of the real images of classes 0 and 2.

    A generator without class 2 therefore seems to have 15 % of it.
    """

    def answers(*counts: int) -> Any:
        return np.eye(3, dtype=np.float32)[np.repeat(np.arange(3), counts)]

    real = np.concatenate([answers(70, 0, 30), answers(0, 100, 0), answers(30, 0, 70)])
    labels = np.repeat(np.arange(3), 100)
    modes = Modes.of(answers(350, 500, 150), real, labels)
    assert modes.slips.tolist() == pytest.approx([0.15, 0.0, 0.15])
    assert modes.presence[2] == pytest.approx(0.0)
    assert modes.missing == [2]
    assert modes.smallest_share == pytest.approx(0.0)
    assert Modes.of(real, real, labels).presence.tolist() == pytest.approx([1, 1, 1])
    half = np.concatenate([answers(350, 500, 150), np.repeat(real, 3, axis=0)])
    assert Modes.of(half, real, labels).missing == []


def test_a_class_that_the_classifier_cannot_recognise_is_undecidable() -> None:
    """The classifier predicts it equally often for images of other classes."""
    real = np.array([[0.9, 0.1], [0.1, 0.9]] * 50, dtype=np.float32)
    modes = Modes.of(real[::2], real, np.repeat([0, 1], 50))
    assert np.isnan(modes.presence).all()
    assert (modes.missing, modes.undecidable, modes.smallest_share) == ([], [0, 1], None)


def one_hot(fake: Int64Array) -> Float64Array:
    return np.eye(len(fake))[np.repeat(np.arange(len(fake)), fake)]


def test_the_deviation_of_certain_predictions_is_the_z_score_of_two_proportions() -> None:
    """60 of 1,000 are compared with 100 of 1,000; a class without images has a deviation of 0."""
    fake, real = one_hot(counts(60, 940, 0)), one_hot(counts(100, 900, 0))
    modes = Modes.of(fake, real, real.argmax(axis=1))
    assert modes.deviations[0] == pytest.approx(-0.04 / (0.08 * 0.92 * 0.002) ** 0.5)
    assert modes.deviations[2] == 0
    assert modes.classes_below(0.7) == [0]


def test_deviations_of_uncertain_predictions_are_normal_and_see_more_than_counts() -> None:
    """The classifier sees a normal value with a mean of 0, or of 1.5 for one class in eight, and knows these shares."""
    rng = np.random.default_rng(0)

    def draw(share: float, n: int = 1000) -> Float64Array:
        value = rng.normal(size=n) + 1.5 * (rng.random(n) < share)
        first = 1 / (1 + 7 * np.exp(1.5**2 / 2 - 1.5 * value))
        return np.stack([first, 1 - first], axis=1)

    null = [share_deviations(draw(1 / 8), draw(1 / 8))[0] for _ in range(300)]
    assert np.mean(null) == pytest.approx(0, abs=0.2)
    assert np.std(null) == pytest.approx(1, abs=0.15)
    soft, hard = [], []
    for _ in range(30):
        fake, real = draw(1 / 24), draw(1 / 8)
        soft.append(share_deviations(fake, real)[0])
        hard.append(share_deviations(*(np.eye(2)[one.argmax(axis=1)] for one in (fake, real)))[0])
    assert np.mean(soft) < 1.2 * np.mean(hard) < -2
