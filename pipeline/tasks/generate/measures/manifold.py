"""Manifolds, diversity and bins in feature space: each next to the same measure between two sets of real images."""

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.evaluation.wording import percent
from pipeline.measure import Bounds, Measurement, PromotionBound
from pipeline.tasks.generate.measures.registry import measure
from pipeline.tasks.generate.symptoms import (
    CLASS_COLLAPSE,
    CROWDED,
    FEW_IMAGES,
    INTRA_CLASS_COLLAPSE,
    LOW_DIVERSITY,
    UNREAL,
)

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet


def from_manifold(data: "SampleSet", name: str) -> Measurement:
    """Return a measure of feature space; no value if there are too few items."""
    return data.manifold.get(name, Measurement(None))


def diversity(data: "SampleSet", name: str) -> Measurement:
    """Return a measure of feature space that no test may use with features that recognise nothing."""
    return replace(from_manifold(data, name), skip=data.blind_features)


@measure(
    explanation="share of samples that look real, over that of real images",
    kind="relative",
    better="high",
    bound=0.8,
    limits={"ge": 0},
    group="fidelity",
    aspect="fidelity",
    symptoms=(UNREAL,),
    headline=True,
    place=4,
)
def precision(data: "SampleSet") -> Measurement:
    return from_manifold(data, "precision")


@measure(
    explanation="share of real images that samples surround, over that of real images",
    kind="relative",
    better="high",
    bound=0.5,
    limits={"ge": 0},
    group="fidelity",
    aspect="diversity",
    symptoms=(LOW_DIVERSITY,),
    headline=True,
    promotion_floor=PromotionBound(0.4, {"ge": 0}, over="recall_null"),
)
def recall(data: "SampleSet") -> Measurement:
    return diversity(data, "recall")


@measure(
    explanation="share of real images with a sample nearby, over that of real images",
    kind="relative",
    better="high",
    bound=0.8,
    limits={"ge": 0},
    group="fidelity",
    aspect="diversity",
    symptoms=(LOW_DIVERSITY,),
    headline=True,
    place=2,
    promotion_floor=PromotionBound(0.7, {"ge": 0}, over="coverage_null"),
)
def coverage(data: "SampleSet") -> Measurement:
    return diversity(data, "coverage")


@measure(
    explanation="effective number of different samples, over that of real images",
    kind="relative",
    better="high",
    bound=0.9,
    limits={"ge": 0},
    group="fidelity",
    aspect="diversity",
    symptoms=(LOW_DIVERSITY,),
    headline=True,
    promotion_floor=PromotionBound(0.8, {"ge": 0}, over="vendi_ratio_null"),
)
def vendi_ratio(data: "SampleSet") -> Measurement:
    return diversity(data, "vendi_ratio")


@measure(
    explanation="how crowded samples lie where real images do, over that of real images",
    kind="relative",
    better="range",
    bound=(0.6, 1.3),
    group="fidelity",
    symptoms=(CROWDED,),
    headline=True,
)
def density(data: "SampleSet") -> Measurement:
    return from_manifold(data, "density")


@measure(
    explanation="share nearer to another sample than 99 % of distinct real images are to each other, beyond chance",
    kind="excess",
    raw=True,
    better="low",
    bound=0.04,
    limits={"ge": 0, "le": 1},
    group="fidelity",
    symptoms=(FEW_IMAGES, INTRA_CLASS_COLLAPSE),
)
def near_duplicates(data: "SampleSet") -> Measurement:
    return from_manifold(data, "near_duplicates")


def name_repeating_class(data: "SampleSet", bounds: Bounds) -> str:
    """Return the evidence that the samples of one class repeat a few images."""
    assert data.class_repeats is not None
    group, found = data.class_repeats
    known = data.predicted is not None and not data.unreliable_classes
    where = data.real.classes[group] if known else "one cluster of similar images"
    return (
        f"{percent(found.number or 0.0)} of the samples of {where} are nearer to another one than 99 % of real images "
        f"are to each other ({percent(found.null or 0.0)} of real images)"
    )


@measure(
    explanation="near_duplicates within the class, or the cluster of data without classes, where they are most",
    kind="excess",
    raw=True,
    better="low",
    bound=0.25,
    limits={"ge": 0, "le": 1},
    missing="too few images of each class",
    group="fidelity",
    symptoms=(CLASS_COLLAPSE,),
    evidence=name_repeating_class,
)
def class_near_duplicates(data: "SampleSet") -> Measurement:
    return data.class_repeats[1] if data.class_repeats else Measurement(None)


@measure(
    explanation="Jensen-Shannon divergence (nats) of the shares in bins of feature space from the real ones, "
    "beyond chance",
    kind="excess",
    better="low",
    bound=0.05,
    limits={"ge": 0},
    group="fidelity",
)
def jsd(data: "SampleSet") -> Measurement:
    return diversity(data, "jsd")


@measure(explanation="share of bins of feature space with a significantly different share", reported=False)
def ndb(data: "SampleSet") -> Measurement:
    return from_manifold(data, "ndb")
