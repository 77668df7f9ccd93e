"""Statistics of images of any content: brightness, contrast, sharpness, colour, and checkerboard artefacts.

The features of a classifier ignore blur and noise. These five numbers do not, and they name what is wrong.
"""

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.arrays import Float64Array, UInt8Array
from pipeline.measure import Bounds, Measurement, Symptom
from pipeline.media.declared_measures import ratio, statistic_measure
from pipeline.media.image.corrections import without_pattern

DISTINCT = 5.0
"""Standard deviations from which sharpness differs from that of real images."""

CRISP = 1.12
"""Sharpness, relative to real images, from which images are sharper."""

VISIBLE_PATTERN = 2.0
"""Gray levels, of 255, from which a fine regular pattern is seen in an area of one tone."""

HARDER = 1.2
"""Contrast, relative to real images, that is seen."""
SAME = 0.1
"""Difference of two ratios that is not seen."""
EXPLAINS = 0.9
"""Variance within classes, over the square of the contrast, from which samples lack nothing but contrast."""

VISIBLE_COLOUR = 2.0
"""Gray levels, of 255, by which colours differ before a gray image looks tinted."""


def statistics(images: UInt8Array) -> dict[str, Float64Array]:
    """Return five numbers of each image of uint8 [n, H, W, C], each [n].

    Mean, standard deviation and mean absolute Laplacian of the gray values, and the strength of a pattern with a period
    of two pixels, all in 0..1; and the mean standard deviation over the channels, 0 for gray images.
    """
    x = images.astype(np.float32) / 255
    gray = x.mean(axis=3)
    centre = gray[:, 1:-1, 1:-1]
    laplacian = 4 * centre - gray[:, :-2, 1:-1] - gray[:, 2:, 1:-1] - gray[:, 1:-1, :-2] - gray[:, 1:-1, 2:]
    # Strided transposed convolutions leave a pattern of period two (Odena 2016): its four phases have different means.
    height, width = gray.shape[1] // 2 * 2, gray.shape[2] // 2 * 2
    phases = (
        gray[:, :height, :width]
        .reshape(len(gray), height // 2, 2, width // 2, 2)
        .mean(axis=(1, 3))
        .reshape(len(gray), 4)
    )
    found = {
        "brightness": gray.mean(axis=(1, 2)),
        "contrast": gray.std(axis=(1, 2)),
        "sharpness": np.abs(laplacian).mean(axis=(1, 2)),
        "checkerboard": phases.std(axis=1),
        "colour": x.std(axis=3).mean(axis=(1, 2)),
    }
    return {name: values.astype(np.float64) for name, values in found.items()}


# --- failure modes ---

EXPLAINED = frozenset({"appearance", "fidelity", "classes"})  # unrecognisable samples have no class either
PERSISTS = (
    "Train longer; if it stays, look at data.background and at what the discriminator is shown "
    "(model.stabilisers.augment)"
)


def crispness(found: Mapping[str, Measurement]) -> float:
    """Return the sharpness beyond what contrast alone explains."""
    return (found["sharpness"].number or 0.0) / max(found["contrast"].number or 0.0, 1e-9)


def is_distinct(found: Mapping[str, Measurement]) -> bool:
    """Return whether sharpness differs from that of real images beyond chance."""
    return abs(found["sharpness"].z or 0.0) > DISTINCT


def is_checkerboard(found: Mapping[str, Measurement]) -> bool:
    """Return whether the two-pixel pattern is stronger than the sharpness explains."""
    pattern = (found["checkerboard"].number or 0.0) / max(found["sharpness"].number or 0.0, 1.0)
    return pattern > (1.45 if crispness(found) < 1.12 else 2.0) or is_common_pattern(found)


def is_common_pattern(found: Mapping[str, Measurement]) -> bool:
    """Return whether all samples have a visible pattern in common that covers them, and makes them sharper."""
    size, place = (found.get(name, Measurement(None)).number or 0.0 for name in ("pattern_size", "pixel_maps"))
    return size >= VISIBLE_PATTERN and 2 * size > place and (found["sharpness"].number or 0.0) > CRISP


def is_blurred(found: Mapping[str, Measurement]) -> bool:
    """Return whether images are less sharp than their contrast explains."""
    return is_distinct(found) and crispness(found) < 0.8


def is_noisy(found: Mapping[str, Measurement]) -> bool:
    """Return whether images are sharper than real ones and than their contrast explains."""
    return (
        is_distinct(found)
        and crispness(found) > 1.12
        and (found["sharpness"].number or 0.0) > 1
        and not is_sharpened(found)
    )


def is_sharpened(found: Mapping[str, Measurement]) -> bool:
    """Return whether sharpness exceeds what contrast explains, contrast grows, and flat areas gain no more than edges.

    Noise raises no contrast, and clipped images are no sharper than their contrast.
    """
    sharpness, contrast = (found[name].number or 0.0 for name in ("sharpness", "contrast"))
    grain = found.get("grain", Measurement(None)).number
    edges = crispness(found) > CRISP and contrast > 1.03
    return is_distinct(found) and edges and grain is not None and grain < 1.1 * sharpness


def explains_spread(found: Mapping[str, Measurement]) -> bool:
    """Return whether the contrast, whose square variances are proportional to, explains how little samples differ."""
    spread, contrast = found.get("class_spread", Measurement(None)), ratio(found, "contrast")
    return contrast < 1 and (spread.number or 0.0) >= EXPLAINS * contrast**2 * (spread.null or 1.0)


def strengthens_colours(found: Mapping[str, Measurement]) -> bool:
    """Return whether gray values and colours are stronger by the same factor, in images that are no brighter."""
    brightness, contrast, colour = (ratio(found, name) for name in ("brightness", "contrast", "colour"))
    return contrast > HARDER and abs(brightness - 1) < SAME and abs(colour / contrast - 1) < SAME


def is_coloured(data: Any, bounds: Bounds) -> bool:
    """Return whether the colours differ by what is seen: the ratio of two tiny spreads says nothing."""
    found = data.profiles.get("chroma")
    return found is None or found.excess >= VISIBLE_COLOUR


def is_visible(data: Any, bounds: Bounds) -> bool:
    """Return whether the pattern that all samples have in common is strong enough to be seen; edges have none."""
    found = data.profiles.get("pattern_size")
    return found is None or found.excess >= VISIBLE_PATTERN


CHECKERBOARD = Symptom(
    "checkerboard artefacts",
    20,
    "Strided transposed convolutions leave them: set model.architecture: residual, or take r3gan",
    when=is_checkerboard,
    undo=without_pattern,
)
BLURRED = Symptom(
    "blurred",
    21,
    "Train longer (train.total_images), with wider networks, or a smaller train.ema_half_life",
    explains=EXPLAINED,
    causes=("sharpness", "contrast", "spectrum", "patch_spectrum"),
    when=is_blurred,
)
NOISY = Symptom(
    "noisy",
    22,
    "Train longer, lower train.learning_rate towards the end ({start, end}), or raise train.ema_half_life",
    explains=EXPLAINED,
    causes=("sharpness", "spectrum", "patch_spectrum", "checkerboard", "precision", "coverage"),
    when=is_noisy,
)
SHARPENED = Symptom(
    "over-sharpened",
    22,
    "Lower train.learning_rate towards the end ({start, end}), or raise train.ema_half_life",
    explains=EXPLAINED,
    causes=("sharpness", "spectrum"),
    when=is_sharpened,
)
WRONG_CONTRAST = Symptom("wrong contrast", 23, PERSISTS, explains=EXPLAINED)
# Less contrast is less variance within classes. Where it is so small that nothing else shows it, this does.
PALE = replace(WRONG_CONTRAST, priority=64, causes=("class_spread",), explains=frozenset(), when=explains_spread)
STRONGER = replace(WRONG_CONTRAST, priority=24, causes=("tones", "colour", "chroma"), when=strengthens_colours)
WRONG_BRIGHTNESS = Symptom("wrong brightness", 24, PERSISTS, explains=EXPLAINED)
WRONG_COLOURS = Symptom("wrong colours", 25, PERSISTS, explains=EXPLAINED)


# --- measures ---


statistic = functools.partial(statistic_measure, real="real images")

APPEARANCE = (
    statistic("brightness", "mean gray value", WRONG_BRIGHTNESS),
    statistic("colour", "spread of the channels", WRONG_COLOURS, confirm=is_coloured),
    statistic("contrast", "spread of gray values", WRONG_CONTRAST, STRONGER, PALE),
    statistic("sharpness", "difference between neighbouring pixels", BLURRED, NOISY, SHARPENED),
    statistic(
        "checkerboard",
        "strength of a two-pixel pattern",
        CHECKERBOARD,
        better="low",
        bound=1.5,
        limits={"gt": 1},
        confirm=is_visible,
    ),
)
