"""Measures of the profiles of images: faults that are slight, and the same in all samples.

A bound is the size of what a person just sees. 2.3 units of L*a*b*, the just noticeable difference (Mahy et al., 1994),
are about 6 of 255 gray levels.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pipeline.measure import Measure, Measurement, Symptom
from pipeline.media.declared_measures import name_change, profile_measure
from pipeline.media.image.appearance import EXPLAINED, PERSISTS, crispness
from pipeline.media.image.corrections import match_tones
from pipeline.media.image.profile_evidence import (
    class_maps,
    constant_pixels,
    describe_change,
    describe_class_maps,
    describe_maps,
    describe_values,
    stepping_edges,
    worst_class,
)

VISIBLE = 6.0
"""Gray levels, of 255, that a person just sees between two areas."""
MARK = 20.0
"""Gray levels by which the mean of a pixel stands out: a mark on all samples, or a white one on a twelfth of them."""
MARKED = 0.03
"""Share of the samples with a value at a pixel that real images do not have there: a mark on one of thirty."""
MOSTLY = 0.5
"""Share of the pixels that stand out which are constant in a mark on all samples; of the edges of blocks that step."""
MORE_LEVELS = 1.5
"""Gray levels in an image, over those of real images, that noise on all pixels exceeds where real images have few."""
NOISY_FROM = 3.0
"""Spread of noise, in gray levels: two neighbouring pixels differ by 6, which is seen, one time in six."""
LONE = 0.002
"""Share of pixels that differ from all their neighbours: one or two in 28 x 28."""
NOTHING_BUT_NOISE = 1.5
NOISE = 20.0
"""Change of the gray levels, in gray levels, that impulses on a tenth of the pixels do not reach."""
VARIED = 0.05
"""Share of near-duplicates above which few images stand for all, whose means say nothing about the look."""

SHARPENED = 1.25
"""Sharpness, relative to real images, of sharpened images."""
Condition = Callable[[Mapping[str, Measurement]], bool]


def is_varied(found: Mapping[str, Measurement]) -> bool:
    """Return whether samples are not a few images over and over, which have tones and maps of their own."""
    repeats = found.get("near_duplicates", Measurement(None)).number or 0.0
    distinct = found.get("duplicate_rate", Measurement(None)).number or 0.0
    return max(repeats, distinct) <= VARIED


def is_change(found: Mapping[str, Measurement], name: str) -> bool:
    """Return whether all samples were changed in the way that has this name."""
    return found["placement_change"].value == name


def is_sparse(found: Mapping[str, Measurement]) -> bool:
    """Return whether most pixels keep their values: flat areas stay flat, and images gain few gray levels."""
    flat, levels = (found.get(name, Measurement(None)).number or 0.0 for name in ("flat_noise", "gray_levels"))
    return is_varied(found) and not is_noise(found) and flat < NOISY_FROM and levels < MORE_LEVELS


def is_constant(found: Mapping[str, Measurement]) -> bool:
    """Return whether the pixels that stand out are the same in all samples, or in all of a class."""
    names = "constant_pixels", "class_constant_pixels"
    all_samples, one_class = (found.get(name, Measurement(None)).number or 0.0 for name in names)
    return all_samples >= MOSTLY or (is_varied(found) and one_class >= MOSTLY)  # a class of few images is constant, too


def is_noise(found: Mapping[str, Measurement]) -> bool:
    """Return whether images are nothing but noise: other gray levels, and sharp beyond their contrast."""
    return (found["tones"].number or 0.0) > NOISE and crispness(found) > NOTHING_BUT_NOISE


def is_compressed(found: Mapping[str, Measurement]) -> bool:
    """Return whether most edges of blocks step, and not because of sharpening, which strengthens those of real images.

    A mark, or a seam between two halves, steps at one or two edges.
    """
    sharpness, stands_out = (found[name].number or 0.0 for name in ("sharpness", "pixel_maps"))
    edges = found.get("block_edges", Measurement(None)).number
    return is_varied(found) and sharpness < SHARPENED and stands_out < MARK and (edges is None or edges >= MOSTLY)


def is_brighter(found: Mapping[str, Measurement]) -> bool:
    """Return whether brightness differs more from that of real images than contrast does."""
    brightness, contrast = (abs((found[name].number or 1.0) - 1) for name in ("brightness", "contrast"))
    return is_varied(found) and brightness > contrast


def symptom(name: str, priority: int, advice: str, when: Condition = is_varied) -> Symptom:
    """Return a failure mode of the look of all samples."""
    return Symptom(name, priority, advice, explains=EXPLAINED, when=when)


FINER = "Train longer (train.total_images), lower train.learning_rate towards the end, or raise train.ema_half_life"
ORIGIN = "All samples are changed alike: look at how training images are read, augmented and written"
IMPULSES = symptom("impulse noise", 17, FINER, is_sparse)
POSTERISED = symptom("posterised", 16, f"Samples have few gray levels: their outputs are saturated. {FINER}")
COMPRESSION = symptom(
    "compression artefacts", 18, f"Look for strongly compressed files among the training images. {FINER}", is_compressed
)
CONSTANT_MARK = symptom(
    "constant mark",
    14,
    f"Samples show something in one place that real images do not show there; the report has the maps. {FINER}",
    is_constant,
)
# A mark on some samples leaves their pixels varied, as many other failures do, which are named first.
MARK_ON_SOME = replace(CONSTANT_MARK, priority=34, when=is_varied)
MISPLACED = tuple(
    Symptom(
        name,
        13,
        advice,
        when=functools.partial(is_change, name=name),
        undo=lambda data: data.undo_change(),
    )
    for name, advice in (
        ("mirrored", f"Set train.flips: false. {ORIGIN}"),
        ("upside down", ORIGIN),
        ("rotated", ORIGIN),
        ("shifted", ORIGIN),
        ("swapped colours", ORIGIN),
    )
)
COLOUR_CAST = symptom("colour cast", 31, PERSISTS)
# Blended images have other gray levels, too. If other tests still fail with the right ones, the samples may be unreal.
BRIGHTER = symptom("wrong brightness", 32, PERSISTS, is_brighter)
HARDER = symptom("wrong contrast", 32, PERSISTS)
ONLY_BRIGHTER, ONLY_HARDER = (
    replace(one, priority=25, explains=frozenset({"appearance"}), undo=match_tones, alone=frozenset({"fidelity"}))
    for one in (BRIGHTER, HARDER)
)
NOISE_FLOOR = symptom("noisy", 26, FINER)
WRONG_SPECTRUM = symptom("wrong spectrum", 32, FINER)


profile = functools.partial(profile_measure, real="real images")

PROFILE_MEASURES: tuple[Measure[Any], ...] = (
    profile(
        "impulses",
        "share of pixels that differ from all their neighbours by 64 gray levels or more, beyond that of real images",
        LONE,
        IMPULSES,
    ),
    profile(
        "gray_levels",
        "number of different values in an image, over that of real images",
        0.6,
        POSTERISED,
        kind="relative",
        better="high",
        limits={"gt": 0, "lt": 1},
    ),
    profile(
        "blocking",
        "steps at the edges of 8 x 8 blocks beyond those next to them, in gray levels, minus those of real images",
        2.0,
        COMPRESSION,
        needs="blocks",
    ),
    profile(
        "tones",
        "earth mover's distance of the gray levels from those of real images, in gray levels of 255",
        VISIBLE,
        ONLY_BRIGHTER,
        ONLY_HARDER,
        BRIGHTER,
        HARDER,
    ),
    profile(
        "chroma",
        "sliced earth mover's distance of the colours from those of real images, in gray levels of 255",
        VISIBLE,
        COLOUR_CAST,
        needs="colours",
    ),
    profile(
        "flat_noise",
        "spread of neighbouring pixels in the flattest tenth of images, in gray levels, minus that of real images",
        NOISY_FROM,
        NOISE_FLOOR,
    ),
    profile(
        "block_noise",
        "spread of blocks in the directions in which real images vary least, in gray levels, minus that of real images",
        NOISY_FROM,
        NOISE_FLOOR,
        needs="few pixels",
    ),
    profile("spectrum", "largest difference of the power in a band of frequency, in decibels", 3.0, WRONG_SPECTRUM),
    profile(
        "hue",
        "angle between the main axis of the colours and that of real images, in degrees",
        8.0,
        COLOUR_CAST,
        limits={"gt": 0, "le": 90},
        needs="colours",
    ),
    profile(
        "placement",
        "how much nearer the mean image comes to the real one if samples are mirrored, turned, shifted or their colour "
        "channels swapped, in gray levels of 255; 0 unless that halves the distance",
        2.0,
        *MISPLACED,
        evidence=describe_change,
    ),
    Measure("placement_change", name_change, "what was done to all samples", reported=False),
    profile(
        "pixel_maps",
        "how far the mean of a pixel lies outside the range of real means around it, at most, in gray levels of 255",
        MARK,
        CONSTANT_MARK,
        MARK_ON_SOME,
        kind="absolute",  # the pixel that stands out is not the one where real images differ most by chance
        evidence=describe_maps,
    ),
    profile(
        "value_shares",
        "largest share of samples with one value at a pixel, beyond that of real images with such a value near it",
        MARKED,
        MARK_ON_SOME,
        kind="absolute",
        limits={"gt": 0, "lt": 1},
        evidence=describe_values,
    ),
    Measure(
        "block_edges",
        stepping_edges,
        "share of the edges of blocks that step",
        needs="blocks",
        reported=False,
    ),
    Measure(
        "constant_pixels",
        lambda data: constant_pixels(data, data.profiles.get("pixel_maps")),
        "share of the pixels that stand out which are the same in all samples",
        reported=False,
    ),
    profile(
        "grain",
        "difference between neighbouring pixels in the flatter half of images, over that of real images",
        None,
        kind="relative",
        better=None,
        reported=False,
        limits={},
    ),
    profile(
        "pattern_size",
        "strength of the pattern of two pixels that all samples have in common, in gray levels of 255",
        None,
        better=None,
        ideal="0",
        limits={},
    ),
    Measure(
        "class_pixel_maps",
        class_maps,
        "pixel_maps within the class where it is highest",
        kind="excess",
        better="low",
        bound=40.0,
        limits={"gt": 0},
        missing="too few real images of each class",
        needs="classes",
        group="appearance",
        symptoms=(CONSTANT_MARK, MARK_ON_SOME),
        evidence=describe_class_maps,
    ),
    Measure(
        "class_constant_pixels",
        lambda data: constant_pixels(data, (worst_class(data) or (None, None))[1]),
        "the same in the class where pixel_maps is highest",
        needs="classes",
        reported=False,
    ),
)
