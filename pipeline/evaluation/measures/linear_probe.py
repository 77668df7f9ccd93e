"""A linear probe: how much of the classes a plane through the features can tell (Alain & Bengio, "Understanding intermediate layers", 2016)."""

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
    """`accuracy` on the test items, 0..1; `c` is the strength that was best on the held-out part of the training items."""

    accuracy: float
    c: float


def probe(
    train: npt.NDArray[np.floating],
    labels: Int64Array,
    test: npt.NDArray[np.floating],
    test_labels: Int64Array,
    seed: int,
    progress: Progress = quiet,
    label: str = "probe",
) -> Probe:
    """Multinomial logistic regression from features [n, d] to classes, trained on `train` alone.

    Features are standardised by the mean and deviation of the items it is fitted to. C is chosen on a fifth of every class, then the
    probe is fitted to all. Raises InputError for fewer than two classes, or no class of two items.
    """
    held = hold_out(labels, seed)
    if len(np.unique(labels)) < 2 or not held.any() or not len(test):
        raise InputError(
            "a linear probe needs labelled images to test on, and at least two classes with two training images each"
        )
    scores = [
        accuracy(train[~held], labels[~held], train[held], labels[held], STRENGTHS[k])
        for k in progress(range(len(STRENGTHS)), label)
    ]
    best = STRENGTHS[int(np.argmax(scores))]  # the first, that is the strongest penalty, of equals
    return Probe(accuracy(train, labels, test, test_labels, best), best)


def accuracy(
    train: npt.NDArray[np.floating],
    labels: Int64Array,
    test: npt.NDArray[np.floating],
    test_labels: Int64Array,
    c: float,
) -> float:
    """The share of `test` that a regression fitted to `train` gets right."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings():
        # A weak penalty may not converge in time; it is then simply judged as it stands.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=ITERATIONS)).fit(train, labels)
    return float(fitted.score(test, test_labels))


def hold_out(labels: Int64Array, seed: int) -> npt.NDArray[np.bool_]:
    """A random fifth of each class, at least one item where there are two; bool [n]."""
    rng = np.random.default_rng(seed)
    held = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) > 1:
            held[members[: max(1, int(HELD_OUT * len(members)))]] = True
    return held


def at_most(labels: Int64Array, per_class: int, seed: int) -> Int64Array:
    """Positions, in order, of the labelled items (label >= 0), a random `per_class` of each class where there are more."""
    rng = np.random.default_rng(seed)
    groups = [rng.permutation(np.flatnonzero(labels == label))[:per_class] for label in np.unique(labels[labels >= 0])]
    return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *groups]))
