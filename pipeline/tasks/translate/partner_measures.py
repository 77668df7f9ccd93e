"""Measures of translations next to the real partners of their inputs, for paired data."""

from typing import TYPE_CHECKING

from pipeline.evaluation.measures.intervals import interval_of_mean, wilson_interval
from pipeline.measure import Measure, Measurement
from pipeline.media.image.profile_measures import VISIBLE
from pipeline.tasks.translate.symptoms import COPIED_INPUT, FAR_FROM_PARTNER, PATCHED

if TYPE_CHECKING:
    from pipeline.tasks.translate.direction_result import DirectionResult


def ratio(value: float | None, reference: float) -> float | None:
    """Return a value over its reference; None without either."""
    return value / reference if value is not None and reference > 0 else None


def psnr_gain(data: "DirectionResult") -> Measurement:
    """Return the mean PSNR to the partner minus that of the input."""
    ours, theirs = data.mean("psnr"), data.mean("input_psnr")
    value = ours - theirs if ours is not None and theirs is not None else None
    return Measurement(value, interval=interval_of_mean(data.psnr_gains, "images"))


def patched(data: "DirectionResult") -> Measurement:
    """Return the share of translations within whose patches colours differ visibly more than in their partners."""
    excess = data.translations.values.get("patch_excess")
    if not excess:
        return Measurement(None)
    count, total = sum(one > VISIBLE for one in excess), len(excess)
    return Measurement(count / total, 0.0, interval=wilson_interval(count, total, "images"))


def nearness(name: str, distance: str, explanation: str) -> "Measure[DirectionResult]":
    """Return the measure of a distance to the partner relative to what a translation that learned nothing has."""

    def compute(data: "DirectionResult") -> float | None:
        nothing = [value for prefix in ("input_", "other_") if (value := data.mean(f"{prefix}{distance}")) is not None]
        return ratio(data.mean(distance), min(nothing, default=0.0))

    return Measure(
        name,
        compute,
        explanation,
        better="low",
        bound=0.8,
        limits={"gt": 0},
        needs="pairs",
        missing="images that do not differ",
        group="fidelity",
        symptoms=(COPIED_INPUT, FAR_FROM_PARTNER),
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


PARTNER_TESTS = (
    Measure(
        "psnr_gain",
        psnr_gain,
        "PSNR to the partner minus that of the untranslated input, in dB; with pairs",
        better="high",
        bound=0.0,
        needs="pairs",
        missing="images that do not differ",
        group="fidelity",
        symptoms=(COPIED_INPUT, FAR_FROM_PARTNER),
        place=2,
    ),
    nearness(
        "perceptual_ratio",
        "perceptual",
        "perceptual distance to the partner over the smaller one of the untranslated input and of another real image",
    ),
    nearness(
        "patch_ratio",
        "patch_error",
        "difference of the colours of small patches from the partner's over the smaller one of the untranslated input "
        "and of another real image",
    ),
    Measure(
        "patched",
        patched,
        "share of translations whose small patches have differences of colour that their partners do not have, 6 gray "
        "levels more on average",
        better="low",
        bound=0.03,
        limits={"ge": 0, "le": 1},
        needs="coloured pairs",
        missing="images",
        group="appearance",
        symptoms=(PATCHED,),
    ),
)
PARTNER_NUMBERS = (
    *partner_measures("perceptual", "perceptual distance to the partner, in layers of an untrained network"),
    *partner_measures("patch_error", "difference of the mean colours of small patches from the partner's, in levels"),
    *partner_measures("l1", "difference from the partner, in 8-bit levels"),
    *partner_measures("psnr", "PSNR to the partner, in dB"),
    *partner_measures("ssim", "SSIM to the partner"),
)
