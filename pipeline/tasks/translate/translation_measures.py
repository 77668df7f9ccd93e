"""The measures of the task "translate", each computed from one direction. Gate, report and metrics derive from them.

The null of a measure is what the report shows next to it: real images, or the untranslated inputs.
"""

from typing import TYPE_CHECKING

import numpy as np

from pipeline.evaluation.measures.intervals import interval_of_mean
from pipeline.evaluation.verdict import format_numbers
from pipeline.measure import Bounds, Measure, Measurement, PromotionBound, Symptom

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.tasks.translate.direction_result import DirectionResult

UNCHANGED = 2.0
"""8-bit levels below which a translation counts as a copy of its input."""

COLLAPSE = Symptom(
    "mode collapse",
    1,
    "Raise the weight that ties a translation to its input (model.weights.cycle, cross_cycle or l1) relative to "
    "model.weights.adversarial, or lower train.learning_rate; then train again",
    explains=frozenset({"fid_excess", "cycle_ratio", "psnr_gain", "diversity_ratio"}),
    causes=("dependence", "repeats"),
)
TRAIN_LONGER = (
    "Train longer (train.total_images) or with wider networks. If translations hardly differ from their inputs, lower "
    "the weights that tie them to the input (model.weights.cycle, identity or cross_cycle) relative to "
    "model.weights.adversarial"
)
COPIED_INPUT = Symptom(
    "copies of the input",
    2,
    TRAIN_LONGER,
    when=lambda found: (change := found["change"].number) is not None and change < UNCHANGED,
)
OFF_TARGET = Symptom("not like the target domain", 3, TRAIN_LONGER)
LOST_CONTENT = Symptom(
    "lost content",
    4,
    "What the input shows is lost on the way: raise model.weights.cycle or cross_cycle, or train longer",
)
FAR_FROM_PARTNER = Symptom(
    "no closer to the partner than the input",
    5,
    "Train longer, raise model.weights.l1, and check that partners belong together",
)
IGNORED_STYLE = Symptom(
    "styles without effect",
    6,
    "The generator ignores the style: raise model.weights.mode_seeking and latent, or train longer",
)


def ignored_input(data: "DirectionResult", bounds: Bounds) -> str:
    """Return the evidence that translations do not depend on the input."""
    return f"the generator ignores its input: {format_numbers('dependence', data.dependence, bounds, 1.0)}"


def few_images(data: "DirectionResult", bounds: Bounds) -> str:
    """Return the evidence that translations repeat each other."""
    value, null = data.repeats.number, data.repeats.null or 0.0
    numbers = format_numbers("repeats", value, f"{bounds} + null", null)
    return f"the generator makes fewer different images than there are real ones: {numbers}"


def ratio(value: float | None, reference: float) -> float | None:
    """Return a value over its reference; None without either."""
    return value / reference if value is not None and reference > 0 else None


def from_distances(name: str) -> "Callable[[DirectionResult], float | int | None]":
    """Return the function that reads one number of the Fréchet distances."""
    return lambda data: getattr(data.distances, name) if data.distances else None


def psnr_gain(data: "DirectionResult") -> Measurement:
    """Return the mean PSNR to the partner minus that of the input."""
    ours, theirs = data.mean("psnr"), data.mean("input_psnr")
    value = ours - theirs if ours is not None and theirs is not None else None
    return Measurement(value, interval=interval_of_mean(data.psnr_gains, "images"))


def dependence(data: "DirectionResult") -> Measurement:
    """Return how much translations depend on their input; real images of the target domain have 1."""
    differences = np.linalg.norm(data.probe.first.astype(np.float64) - data.probe.second, axis=1)
    interval = interval_of_mean(differences, "pairs of inputs") if data.dependence is not None else None
    return Measurement(
        data.dependence, 1.0, interval=interval.rescale(1 / data.real_distance) if interval is not None else None
    )


def partner_measures(name: str, explanation: str) -> "tuple[Measure[DirectionResult], Measure[DirectionResult]]":
    """Return the measures of a similarity to the partner: of the translation, and of the input."""
    ours: Measure[DirectionResult] = Measure(
        name,
        lambda data: Measurement(data.mean(name), data.mean(f"input_{name}")),
        f"{explanation}; next to it, of the untranslated input",
        needs="pairs",
        headline=name in ("psnr", "ssim"),
    )
    theirs: Measure[DirectionResult] = Measure(
        f"input_{name}",
        lambda data: data.mean(f"input_{name}"),
        f"{explanation}, of the untranslated input",
        needs="pairs",
        reported=False,
    )
    return ours, theirs


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
        symptoms=(COPIED_INPUT, OFF_TARGET),
        headline=True,
        place=1,
    ),
    Measure(
        "dependence",
        dependence,
        "difference between translations of different inputs, relative to real images of the target domain",
        better="high",
        bound=0.25,
        limits={"ge": 0},
        missing="images that do not differ",
        symptoms=(COLLAPSE,),
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
        symptoms=(COLLAPSE,),
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
    Measure(
        "psnr_gain",
        psnr_gain,
        "PSNR to the partner minus that of the untranslated input, in dB; with pairs",
        better="high",
        bound=0.0,
        needs="pairs",
        missing="images that do not differ",
        symptoms=(FAR_FROM_PARTNER,),
        place=2,
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
    *partner_measures("l1", "difference from the partner, in 8-bit levels"),
    *partner_measures("psnr", "PSNR to the partner, in dB"),
    *partner_measures("ssim", "SSIM to the partner"),
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
