"""Does a conditional generator draw the class that it is asked for, and with variety?"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.evaluation.measures.agreement import Agreement
from pipeline.evaluation.measures.intervals import wilson_interval
from pipeline.evaluation.verdict import SIGNIFICANCE
from pipeline.evaluation.wording import join_names, percent
from pipeline.measure import Bounds, Measurement, PromotionBound
from pipeline.tasks.generate.measures.classes import RARE
from pipeline.tasks.generate.measures.registry import measure
from pipeline.tasks.generate.symptoms import (
    ONLY_POOR_CLASS,
    POOR_CLASS,
    SHOWN,
    TRUNCATED,
    TYPICAL_ONLY,
    UNREAL_CLASS,
    WRONG_CLASSES,
)

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet

WORST_CLASSES = 4
"""How many wrong classes a reason names."""


def describe_wrong_classes(data: "SampleSet", bounds: Bounds) -> str:
    """Return the evidence that samples show other classes than asked for, with the most confused ones."""
    found, classes = agreement_of(data), data.real.classes
    text = f"{percent(found.share)} of the samples show the class asked for ({percent(found.expected)} of real images)"
    # `bounds` may be those of `label_agreement`, which are for all samples and not for one class.
    low = [c for c in np.argsort(found.relative)[:WORST_CLASSES] if is_wrong(found, int(c), SHOWN)]
    shown = [name_confusion(found, int(c), classes) for c in low]
    return f"{text}: {join_names(list(dict.fromkeys(shown)))}" if shown else text


def name_confusion(found: Agreement, c: int, classes: Sequence[str]) -> str:
    """Say which class the samples of class `c` show; two classes that show each other are swapped."""
    other = found.shown_instead(c)
    if found.shown_instead(other) == c and is_wrong(found, other, SHOWN):
        return f"{classes[min(c, other)]} and {classes[max(c, other)]} are swapped"
    share = found.samples[c, other] / found.samples[c].sum()
    return f"{percent(float(share))} of {classes[c]} show {classes[other]}"


def is_wrong(found: Agreement, c: int, bound: float) -> bool:
    """Return whether samples of a class show it more rarely than `bound`, and not by chance."""
    return bool(found.relative[c] < bound) and found.deviation(c) < RARE


def agreement_of(data: "SampleSet") -> Agreement:
    """Return the agreement of data that has one."""
    assert data.agreement is not None
    return data.agreement


@measure(
    explanation="share of samples that the classifier sees as the class asked for, over that of real images",
    kind="relative",
    better="high",
    bound=0.9,
    limits={"ge": 0, "le": 1},
    needs="conditions",
    group="conditions",
    symptoms=(WRONG_CLASSES,),
    evidence=describe_wrong_classes,
    place=3,
    promotion_floor=PromotionBound(0.9, {"ge": 0, "le": 1}, over="label_agreement_null"),
)
def label_agreement(data: "SampleSet") -> Measurement:
    found = data.agreement
    if found is None:
        return Measurement(None)
    interval = wilson_interval(int(np.trace(found.samples)), int(found.samples.sum()), "samples")
    return Measurement(found.share, found.expected, found.spread(), data.unreliable_classes, interval)


@measure(
    explanation="label_agreement of the class where it is lowest",
    better="high",
    bound=SHOWN,
    limits={"ge": 0, "le": 1},
    missing="the classifier recognises no class",
    needs="conditions",
    group="conditions",
    symptoms=(WRONG_CLASSES,),
    evidence=describe_wrong_classes,
    confirm=lambda data, bounds: any(
        is_wrong(agreement_of(data), c, bounds.low or 0.0) for c in range(len(data.real.classes))
    ),
)
def label_agreement_worst(data: "SampleSet") -> Measurement:
    found = data.agreement
    value = None if found is None or found.worst is None else float(found.relative[found.worst])
    return Measurement(value, 1.0, skip=data.unreliable_classes)


@measure(
    explanation="classification accuracy score: real test images that a classifier trained on samples alone gets right",
    needs="conditions",
)
def cas(data: "SampleSet") -> float | None:
    return data.classification_accuracy_score


def class_ratios(data: "SampleSet") -> list[tuple[float, str]]:
    """Return fid_ratio and name of each class that has enough items."""
    return [(one.fid_ratio, one.name) for one in data.class_distances if one.fid_ratio is not None]


def worst_class(data: "SampleSet") -> tuple[float, str] | None:
    """Return the highest fid_ratio of a class and the name of the class; None if no class has enough items."""
    return max(class_ratios(data), key=lambda pair: pair[0], default=None)


@measure(
    explanation="fid_ratio within a class, of the samples asked for; mean over the classes",
    needs="conditions",
    ideal="1",
)
def class_fid_ratio_mean(data: "SampleSet") -> float | None:
    ratios = class_ratios(data)
    return float(np.mean([ratio for ratio, _ in ratios])) if ratios else None


def poor_class(data: "SampleSet", bounds: Bounds) -> tuple[float, str] | None:
    """Return the worst class that differs more from real items than real items may by chance: fid_ratio and name."""
    above = sorted((pair for pair in class_ratios(data) if pair[0] > (bounds.high or 0.0)), reverse=True)
    beyond = (pair for pair in above if math.log(pair[0]) > SIGNIFICANCE * data.chance_of_class(pair[1]))
    return next(beyond, None)


def name_worst_class(data: "SampleSet", bounds: Bounds) -> str:
    """Return the evidence that a class is far from its real images."""
    found = poor_class(data, bounds)
    assert found is not None
    value, name = found
    return (
        f"samples of {name} are {value:.3g} times as far from real images of the class as those are from themselves "
        f"(Fréchet distance at the same size; at most {bounds.high:g} times)"
    )


@measure(
    explanation="fid_ratio within the class where it is highest",
    better="low",
    bound=3.0,
    limits={"gt": 0},
    missing="too few images of each class",
    needs="conditions",
    group="fidelity",
    symptoms=(UNREAL_CLASS, ONLY_POOR_CLASS, POOR_CLASS),
    confirm=lambda data, bounds: poor_class(data, bounds) is not None,
    evidence=name_worst_class,
)
def class_fid_ratio_worst(data: "SampleSet") -> float | None:
    worst = worst_class(data)
    return None if worst is None else worst[0]


@measure(explanation="class with the highest fid_ratio", needs="conditions", reported=False)
def class_fid_ratio_worst_class(data: "SampleSet") -> str | None:
    worst = worst_class(data)
    return None if worst is None else worst[1]


@measure(
    explanation="diversity within a class over that of real images; mean over the classes", needs="classes", ideal="1"
)
def class_vendi_ratio_mean(data: "SampleSet") -> float | None:
    values = [value for _, value in data.class_diversity]
    return float(np.mean(values)) if values else None


@measure(explanation="diversity within the least diverse class over that of real images", needs="classes", ideal="1")
def class_vendi_ratio_worst(data: "SampleSet") -> float | None:
    return min((value for _, value in data.class_diversity), default=None)


@measure(
    explanation="variance within classes, in reduced pixels, over that of real images",
    kind="relative",
    better="high",
    bound=0.8,
    limits={"ge": 0},
    missing="too few images of each class",
    needs="classes",
    group="fidelity",
    symptoms=(TYPICAL_ONLY, TRUNCATED),
)
def class_spread(data: "SampleSet") -> Measurement:
    return replace(data.class_spread, skip=data.unreliable_classes)


@measure(explanation="the least diverse class", needs="classes", reported=False)
def class_vendi_ratio_worst_class(data: "SampleSet") -> str | None:
    return min(data.class_diversity, key=lambda pair: pair[1], default=(None, 0.0))[0]
