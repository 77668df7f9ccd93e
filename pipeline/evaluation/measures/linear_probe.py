"""Linear probe: the accuracy of a linear classifier on features.

Alain and Bengio, "Understanding intermediate layers using linear classifier probes" (2016).
"""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Int64Array
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import Progress, quiet

HELD_OUT = 0.2
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
"""Candidates for C, the inverse of the penalty on the weights."""

ITERATIONS = 300


@dataclass(frozen=True)
class Probe:
    """Result of a linear probe.

    Attributes:
        accuracy: Accuracy on the test items, 0..1.
        c: The value of C that was best on the held-out part of the training items.
    """

    accuracy: float
    c: float


def probe(
    train: npt.NDArray[np.floating],
    labels: Int64Array,
    test: npt.NDArray[np.floating],
    test_labels: Int64Array,
    *,
    seed: int,
    progress: Progress = quiet,
    label: str = "probe",
) -> Probe:
    """Train a multinomial logistic regression on features and test it.

    Features are standardised by mean and standard deviation of the items that the regression is fitted to. C is
    chosen on a held-out fifth of each class; the final regression is fitted to all training items.

    Args:
        train: Features of training items, [n, d].
        labels: Their classes, [n].
        test: Features of test items, [m, d].
        test_labels: Their classes, [m].
        seed: Selects the held-out items.
        progress: Shows the progress, named `label`.
        label: Name of the progress.

    Raises:
        InputError: There are fewer than two classes, no class has two training items, or there is no test item.
    """
    held_out = hold_out(labels, seed)
    if len(np.unique(labels)) < 2 or not held_out.any() or not len(test):
        raise InputError(
            "a linear probe needs labelled test images and at least two classes with two training images each"
        )
    scores = [
        accuracy(train[~held_out], labels[~held_out], train[held_out], labels[held_out], STRENGTHS[k])
        for k in progress(range(len(STRENGTHS)), label)
    ]
    best = STRENGTHS[int(np.argmax(scores))]  # of equal scores the first, which is the strongest penalty
    return Probe(accuracy(train, labels, test, test_labels, best), best)


def accuracy(
    train: npt.NDArray[np.floating],
    labels: Int64Array,
    test: npt.NDArray[np.floating],
    test_labels: Int64Array,
    c: float,
) -> float:
    """Return the accuracy on `test` of a regression fitted to `train`, 0..1."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings():
        # With a weak penalty the regression may not converge; its last weights are used.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=ITERATIONS)).fit(train, labels)
    return float(fitted.score(test, test_labels))


def hold_out(labels: Int64Array, seed: int) -> npt.NDArray[np.bool_]:
    """Select a random fifth of each class, at least one item if the class has two; bool [n]."""
    rng = np.random.default_rng(seed)
    held_out = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) > 1:
            held_out[members[: max(1, int(HELD_OUT * len(members)))]] = True
    return held_out


def limit_per_class(labels: Int64Array, per_class: int, seed: int) -> Int64Array:
    """Return the sorted positions of labelled items (label >= 0), with at most `per_class` random items per class."""
    rng = np.random.default_rng(seed)
    groups = [rng.permutation(np.flatnonzero(labels == label))[:per_class] for label in np.unique(labels[labels >= 0])]
    return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *groups]))
