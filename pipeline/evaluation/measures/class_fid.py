"""Measure how well a conditional generator draws each class that it is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float32Array, Int64Array
from pipeline.evaluation.reference import Reference, ratio

MOST = 100  # classes: each takes a few dozen Fréchet distances


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
        own_real = Reference(real.real[labels[0] == number], real.calibration[labels[1] == number])
        distances = ratio(fake[members], own_real, seed)
        agreement = float(np.mean(predicted[members] == number))
        fid_ratio = distances.value if distances else None
        results.append(ClassResult(name, int(members.sum()), agreement, fid_ratio))
    return results
