"""Measures of patches of images, for results of a transformation, which keep much of what their inputs show."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.measure import Measure, Measurement
from pipeline.media.image.appearance import BLURRED, NOISY, WRONG_COLOURS
from pipeline.media.image.patches import SPREAD
from pipeline.media.image.profile_measures import (
    COLOUR_CAST,
    FINER,
    NOISY_FROM,
    VISIBLE,
    WRONG_SPECTRUM,
    profile,
    symptom,
)
from pipeline.media.image.profiles import TONES

LESS = 0.75
"""Part of the contrast that the differences between images lose, too, if the contrast is what is wrong."""

PATCHY = 0.03
"""Share of patches, beyond that of real images, whose colours visibly differ."""


def is_patchy(found: Mapping[str, Measurement]) -> bool:
    """Return whether colours differ within more patches than in real images."""
    return (found["coloured_patches"].number or 0.0) > PATCHY


def has_wrong_areas(found: Mapping[str, Measurement]) -> bool:
    """Return whether whole patches have other colours and flat areas no visible noise, whose mean in a patch is 0."""
    areas, noise = (found[name].number or 0.0 for name in ("patch_colours", "flat_noise"))
    return is_patchy(found) and areas > VISIBLE and noise < NOISY_FROM


def is_one_style(found: Mapping[str, Measurement]) -> bool:
    """Return whether images differ less from each other in colour or brightness than their own contrast explains."""
    style, colour, contrast = (found[name].number for name in ("style_spread", "colour", "contrast"))
    return style is not None and style < LESS * min(colour or 0.0, contrast or 0.0)


COLOUR_PATCHES = symptom("colour patches", 24, f"Areas of one colour have patches of others. {FINER}", is_patchy)
# Strong colours are clipped, which changes the brightness of patches as noise does.
COLOUR_AREAS = replace(COLOUR_PATCHES, priority=19, when=has_wrong_areas)
ONE_STYLE = symptom(
    "one style for all",
    14,
    "Results have the same colours or brightness, whatever the input shows. Raise the weights that tie results to "
    "their inputs or partners, and train longer (train.total_images)",
    is_one_style,
)


def coloured_patches(data: Any) -> float | None:
    """Return the share of patches with a visible spread of colours, minus that of real images."""
    found = data.profiles.get("patch_chroma")
    if found is None:
        return None
    position = int(VISIBLE * TONES / SPREAD)
    return float(found.fake[position] - found.real[position])


def patches(name: str, explanation: str, bound: float, *symptoms: Any, **about: Any) -> Measure[Any]:
    """Return the measure of a profile of results of a transformation."""
    return profile(name, explanation, bound, *symptoms, **({"needs": "input"} | about))


PATCH_MEASURES = (
    patches(
        "style_spread",
        "how much the mean brightness or colour of images varies, relative to real images",
        0.5,
        ONE_STYLE,
        WRONG_COLOURS,
        kind="relative",
        better="high",
        limits={"gt": 0, "lt": 1},
    ),
    patches(
        "patch_spectrum",
        "earth mover's distance of the power of small patches from that of real images, in decibels: of the band of "
        "frequency where it is largest",
        3.0,
        NOISY,
        BLURRED,
        WRONG_SPECTRUM,
    ),
    patches(
        "patch_colours",
        "sliced earth mover's distance of the mean colours of small patches from those of real images, in gray levels",
        VISIBLE,
        COLOUR_CAST,
        needs="coloured input",
    ),
    patches(
        "patch_chroma",
        "earth mover's distance of how much colours differ within a small patch, in gray levels of 255",
        VISIBLE / 2,
        COLOUR_AREAS,
        COLOUR_PATCHES,
        NOISY,
        BLURRED,
        COLOUR_CAST,
        needs="coloured input",
    ),
    Measure(
        "coloured_patches",
        coloured_patches,
        "share of small patches within which colours differ visibly, minus that of real images",
        needs="coloured input",
        ideal="0",
    ),
)
