"""Measure how well a conditional generator draws each class that it is asked for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float32Array, Int64Array
from pipeline.evaluation.reference import Reference, ratio

MOST = 100  # classes: each takes a few dozen Fréchet distances
RELABELLED = 20
"""Random exchanges of samples and real items by which chance is estimated."""

TINY = 1e-9


@dataclass(frozen=True)
class ClassResult:
    """Measures of the samples that were conditioned on one class.

    Attributes:
        name: Name of the class.
        count: Number of these samples.
        agreement: Fraction of them that the classifier assigns to the class.
        fid_ratio: Their Fréchet distance to real images of the class, divided by the distance between two sets of real
            images of the class. All sets have the same size. None if there are too few images.
    """

    name: str
    count: int
    agreement: float
    fid_ratio: float | None


def measure_classes(
    fake: Float32Array,
    asked: Int64Array,
    predicted: Int64Array,
    real: Reference,
    labels: tuple[Int64Array, Int64Array],
    *,
    classes: Sequence[str],
    seed: int,
) -> list[ClassResult]:
    """Measure each class that samples were conditioned on; of more than 100 classes the first 100.

    Args:
        fake: Features of samples, [n, d].
        asked: Labels that the samples were conditioned on, [n].
        predicted: Labels that the classifier assigns to the samples, [n].
        real: Features of real images.
        labels: Labels of the reference images and of the calibration images in `real`.
        classes: Names of the classes.
        seed: Seed of the draws.
    """
    results = []
    for number, name in enumerate(classes[:MOST]):
        members = asked == number
        if not members.any():
            continue
        distances = ratio(fake[members], select_class(real, labels, number), seed)
        agreement = float(np.mean(predicted[members] == number))
        fid_ratio = distances.value if distances else None
        results.append(ClassResult(name, int(members.sum()), agreement, fid_ratio))
    return results


def select_class(real: Reference, labels: tuple[Int64Array, Int64Array], number: int) -> Reference:
    """Return the features of the real items of one class."""
    return Reference(real.real[labels[0] == number], real.calibration[labels[1] == number])


def chance_of_ratio(fake: Float32Array, real: Reference, seed: int) -> float:
    """Return the standard deviation of the logarithm of the Fréchet ratio if samples were real items.

    Samples and real items are exchanged at random. Few items with rare features can then be several times farther apart
    than others, by chance alone.

    Args:
        fake: Features of the samples of a class, [n, d].
        real: Features of the real items of the class.
        seed: Seed of the exchanges.
    """
    everything, rng = np.concatenate([fake, real.real, real.calibration]), np.random.default_rng([seed, 5])
    logs = []
    for draw in range(RELABELLED):
        order = rng.permutation(len(everything))
        ours, theirs = everything[order[: len(fake)]], everything[order[len(fake) :]]
        found = ratio(ours, Reference(theirs, theirs[:0]), draw)
        logs.append(math.log(max(found.value or 0.0, TINY)) if found else 0.0)
    return float(np.std(logs, ddof=1))
