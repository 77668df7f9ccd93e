"""How well a generator that is asked for a class draws that class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float32Array, Int64Array
from pipeline.evaluation.reference import Reference, ratio

MOST = 100  # classes: each takes a few dozen Fréchet distances


@dataclass(frozen=True)
class OfClass:
    """`agreement`: share of the samples asked for that the classifier names so; `fid_ratio`: their Fréchet distance to real images of
    the class over that between two sets of real ones of the class, all of one size; None where there are too few."""

    name: str
    count: int
    agreement: float
    fid_ratio: float | None


def by_class(
    fake: Float32Array,
    asked: Int64Array,
    predicted: Int64Array,
    real: Reference,
    labels: tuple[Int64Array, Int64Array],
    classes: Sequence[str],
    seed: int,
) -> list[OfClass]:
    """Each class's figures, from features [n, d] of samples, the labels asked for [n], the classifier's answers [n], and the real
    images' features with their labels (of `real.real` and of `real.held`). Of more than 100 classes the first are measured."""
    found = []
    for number, name in enumerate(classes[:MOST]):
        members = asked == number
        if not members.any():
            continue
        within = Reference(real.real[labels[0] == number], real.held[labels[1] == number])
        equal = ratio(fake[members], within, seed)
        found.append(
            OfClass(
                name, int(members.sum()), float(np.mean(predicted[members] == number)), equal.value if equal else None
            )
        )
    return found
