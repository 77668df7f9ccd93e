"""The measures of the task "translate", each computed from one direction. Gate, report and metrics derive from them.

The null of a measure is what the report shows next to it: real images, or the untranslated inputs.
"""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.evaluation.measures.intervals import interval_of_mean
from pipeline.evaluation.verdict import format_numbers
from pipeline.evaluation.wording import join_names, percent
from pipeline.measure import Bounds, Measure, Measurement, PromotionBound
from pipeline.media.base import Medium
from pipeline.tasks.medium_measures import CHANGES, add_medium_measures
from pipeline.tasks.translate.class_measures import CLASS_NUMBERS, CLASS_TESTS
from pipeline.tasks.translate.partner_measures import PARTNER_NUMBERS, PARTNER_TESTS, ratio
from pipeline.tasks.translate.symptoms import (
    ADVICE,
    BROKEN_IMAGES,
    COLLAPSE,
    COPIED_INPUT,
    DEPENDS,
    IGNORED_STYLE,
    LOST_CONTENT,
    OFF_TARGET,
    SOME_REPEATS,
    UNREAL,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.tasks.translate.direction_result import DirectionResult

NAMED = 5
"""Inputs that a reason names."""


def ignored_input(data: "DirectionResult", bounds: Bounds) -> str:
    """Return the evidence that translations do not depend on the input."""
    return f"the generator ignores its input: {format_numbers('dependence', data.dependence, bounds, 1.0)}"


def few_images(data: "DirectionResult", bounds: Bounds) -> str:
    """Return the evidence that translations repeat each other."""
    value, null = data.repeats.number, data.repeats.null or 0.0
    numbers = format_numbers("repeats", value, f"{bounds} + null", null)
    return f"the generator makes fewer different images than there are real ones: {numbers}"


def from_distances(name: str) -> "Callable[[DirectionResult], float | int | None]":
    """Return the function that reads one number of the Fréchet distances."""
    return lambda data: getattr(data.distances, name) if data.distances else None


def dependence(data: "DirectionResult") -> Measurement:
    """Return how much translations depend on their input; real images of the target domain have 1."""
    differences = np.linalg.norm(data.probe.first.astype(np.float64) - data.probe.second, axis=1)
    interval = interval_of_mean(differences, "pairs of inputs") if data.dependence is not None else None
    return Measurement(
        data.dependence, 1.0, interval=interval.rescale(1 / data.real_distance) if interval is not None else None
    )


def outlier_share(
    name: str, compute: "Callable[[DirectionResult], Measurement | float | None]", explanation: str, **about: Any
) -> "Measure[DirectionResult]":
    """Return the measure of a share of translations that no real image is like."""
    return Measure(
        name,
        compute,
        explanation,
        better="low",
        limits={"ge": 0, "le": 1},
        missing="fewer than 100 test images of the target domain",
        group="fidelity",
        symptoms=(BROKEN_IMAGES, UNREAL),
        evidence=name_worst_images,
        **about,
    )


def name_worst_images(data: "DirectionResult", bounds: Bounds) -> str:
    """Return the evidence that translations are unlike all real images, with the files of the worst inputs."""
    found = data.outliers
    assert found is not None
    names = join_names([data.names[position] for position in found.order[:NAMED]])
    return (
        f"{percent(found.rare.number or 0.0)} of the translations are farther from any other training image of the "
        f"target domain than 99 % of its images, {percent(found.far.number or 0.0)} much farther than 99.9 %; "
        f"the worst are those of {names}"
    )


MEASURES: "tuple[Measure[DirectionResult], ...]" = (
    Measure(
        "fid_excess",
        lambda data: Measurement(
            data.distances.excess if data.distances else None,
            0.0,
            interval=data.distances.excess_interval if data.distances else None,
        ),
        "Fréchet distance to the target domain relative to that of the untranslated inputs, both beyond what real "
        "images show; 0 is perfect, 1 has gained nothing",
        better="low",
        bound=0.8,
        missing="fewer than 10 images, or inputs that in these features are as close to the target domain as its own "
        "images",
        group="fidelity",
        symptoms=(COPIED_INPUT, OFF_TARGET),
        headline=True,
        place=1,
    ),
    Measure(
        "dependence",
        dependence,
        "difference between translations of different inputs, relative to real images of the target domain",
        better="high",
        bound=DEPENDS,
        limits={"ge": 0},
        missing="images that do not differ",
        symptoms=(COLLAPSE, SOME_REPEATS),
        evidence=ignored_input,
        place=3,
        promotion_floor=PromotionBound(limits={"ge": 0}),
    ),
    Measure(
        "repeats",
        lambda data: data.repeats,
        "share of translations that nearly repeat another; next to it, that of real images and inputs",
        kind="excess",
        better="low",
        bound=0.1,
        limits={"ge": 0, "le": 1},
        raw=True,
        missing="fewer than 10 images",
        symptoms=(COLLAPSE, SOME_REPEATS),
        evidence=few_images,
    ),
    Measure(
        "cycle_ratio",
        lambda data: ratio(data.mean("cycle_error"), data.unrelated),
        "error after the way there and back, relative to the difference between two inputs",
        better="low",
        bound=0.6,
        limits={"gt": 0},
        needs="inverse",
        missing="images that do not differ",
        symptoms=(LOST_CONTENT,),
    ),
    *CLASS_TESTS,
    *PARTNER_TESTS,
    outlier_share(
        "outliers",
        lambda data: data.outliers.rare if data.outliers else Measurement(None),
        "share of translations farther from any training image of the target domain than 99 % of its other images, "
        "beyond their 1 %",
        bound=0.03,
        kind="excess",
    ),
    outlier_share(
        "far_outliers",
        lambda data: data.outliers.far if data.outliers else Measurement(None),
        "share of translations much farther from any training image of the target domain than 99.9 % of its other "
        "images",
        bound=0.005,
        ideal="0",
    ),
    Measure(
        "diversity_ratio",
        lambda data: Measurement(ratio(data.diversity, data.real_distance), 1.0),
        "difference between translations of one input in several styles, relative to real images; with styles",
        better="high",
        bound=0.05,
        limits={"ge": 0},
        needs="styles",
        missing="images that do not differ",
        symptoms=(IGNORED_STYLE,),
        headline=True,
        place=4,
        promotion_floor=PromotionBound(limits={"ge": 0}),
    ),
    Measure(
        "fid",
        lambda data: Measurement(from_distances("translated")(data), from_distances("null")(data)),
        "Fréchet distance to held-out images of the target domain; next to it, between real images",
        headline=True,
        promotion_limit=PromotionBound(limits={"gt": 0}),
    ),
    Measure("input_fid", from_distances("inputs"), "Fréchet distance of the untranslated inputs"),
    Measure(
        "fid_ratio",
        from_distances("ratio"),
        "fid over input_fid",
        headline=True,
        promotion_limit=PromotionBound(3.0, {"gt": 0}),
    ),
    Measure("fid_null", from_distances("null"), "Fréchet distance between real images", reported=False),
    Measure("fid_null_sd", from_distances("spread"), "standard deviation of fid_null", reported=False),
    Measure("n_compared", from_distances("n"), "images on each side of a Fréchet distance", reported=False),
    Measure(
        "kid",
        lambda data: Measurement(data.kid, data.input_kid),
        "kernel distance to the target domain; next to it, that of the untranslated inputs",
        headline=True,
        promotion_limit=PromotionBound(limits={"gt": 0}),
    ),
    Measure("input_kid", lambda data: data.input_kid, "kernel distance of the untranslated inputs", reported=False),
    Measure("repeats_null", lambda data: data.repeats.null, "share of real images that repeat another", reported=False),
    Measure(
        "change", lambda data: data.mean("change"), "difference between a translation and its input, in 8-bit levels"
    ),
    Measure(
        "cycle_error",
        lambda data: Measurement(data.mean("cycle_error"), data.unrelated),
        "error after the way there and back, in 8-bit levels; next to it, the difference between two inputs",
        needs="inverse",
        headline=True,
    ),
    Measure(
        "unrelated",
        lambda data: data.unrelated,
        "difference between two inputs, in 8-bit levels",
        needs="inverse",
        reported=False,
    ),
    Measure(
        "identity_error",
        lambda data: data.identity.error,
        "change of images that already belong to the target domain, in 8-bit levels",
        needs="inverse",
    ),
    *CLASS_NUMBERS,
    *PARTNER_NUMBERS,
    Measure(
        "diversity",
        lambda data: Measurement(data.diversity, data.real_distance),
        "distance between translations of one input in several styles, in features; next to it, between real images",
        needs="styles",
    ),
    Measure(
        "diversity_real",
        lambda data: None if data.diversity is None else data.real_distance,
        "distance between real images, in features",
        needs="styles",
        reported=False,
    ),
)


@functools.cache
def measures_for(medium: Medium) -> "Sequence[Measure[DirectionResult]]":
    """Return the measures of translations of a medium, its own included."""
    return add_medium_measures(MEASURES, medium, ADVICE, without=CHANGES)
