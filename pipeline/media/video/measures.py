"""Measures of clips and the failure modes that they name.

Bounds are effect sizes that a person notices in a set of clips: a twentieth of the frames repeats the one before, the
light jumps by 3 %, neighbouring frames are no more alike than frames further apart.
"""

import functools
from collections.abc import Callable
from typing import Any

from pipeline.measure import Bounds, Measure, Symptom
from pipeline.media.declared_measures import (
    Found,
    excess,
    name_change,
    profile_measure,
    ratio,
    statistic_measure,
)
from pipeline.media.video.profiles import DIGIT

EXPLAINED = frozenset({"appearance", "fidelity", "classes", "conditions"})
REPEATED = {"duplicate_rate": 0.05, "near_duplicates": 0.5}
"""Shares of repeated samples above which few clips stand for all, whose means say nothing about the motion.

Faint and blurred clips are near to each other, so the second is large.
"""
ORDER = 0.1
FLICKER = 0.03
CUTS = 0.3
GRAIN = 2.0
EQUAL = 0.05
STILL = 0.1
"""Motion, of that of real clips, from which nothing moves."""
APART = 1.1
"""Factor by which edges or motion differ from the contrast, which they follow in clips that are fainter."""
LONGER = "Train longer (train.total_images), lower train.learning_rate towards the end, or raise train.ema_half_life"
ORIGIN = "All samples are changed alike: look at the order of the frames in the files"


def is_varied(found: Found) -> bool:
    """Return whether samples are not a few clips over and over."""
    return all(excess(found, name) <= most for name, most in REPEATED.items())


def is_backwards(found: Found) -> bool:
    """Return whether all samples are played backwards."""
    return found["course_change"].value == "backwards"


def is_frozen(found: Found) -> bool:
    """Return whether frames repeat the one before."""
    return is_varied(found) and (excess(found, "equal_frames") > EQUAL or ratio(found, "motion") < STILL)


def is_flickering(found: Found) -> bool:
    """Return whether the light of whole frames jumps."""
    return is_varied(found) and excess(found, "flicker") > FLICKER


def is_shuffled(found: Found) -> bool:
    """Return whether neighbouring frames are hardly more alike than others, in clips that move."""
    return is_varied(found) and excess(found, "order") > ORDER and not is_noisy(found) and not is_frozen(found)


def is_cut(found: Found) -> bool:
    """Return whether one change between frames is larger than the others."""
    others = is_frozen(found), is_flickering(found), is_noisy(found), excess(found, "order") > ORDER
    return is_varied(found) and not any(others)


def is_noisy(found: Found) -> bool:
    """Return whether neighbouring pixels differ more than in real clips."""
    return is_varied(found) and (ratio(found, "edges") > 1.3 or excess(found, "grain") > GRAIN)


def is_blurred(found: Found) -> bool:
    """Return whether neighbouring pixels differ less, and not because clips are fainter as a whole."""
    return is_varied(found) and ratio(found, "edges") * APART < min(1.0, ratio(found, "contrast"))


def is_slow(found: Found) -> bool:
    """Return whether less changes from frame to frame, and not because clips are fainter as a whole."""
    return is_varied(found) and ratio(found, "motion") * APART < min(1.0, ratio(found, "contrast"))


def is_fast(found: Found) -> bool:
    """Return whether more changes from frame to frame, and not because clips have more contrast."""
    return is_varied(found) and ratio(found, "motion") > APART * max(1.0, ratio(found, "contrast"))


def symptom(name: str, priority: int, advice: str, when: Callable[[Found], bool] = is_varied) -> Symptom:
    """Return a failure mode of the motion or the look of all samples."""
    return Symptom(name, priority, advice, explains=EXPLAINED, when=when)


BACKWARDS = Symptom("backwards", 12, ORIGIN, when=is_backwards, undo=lambda data: data.undo_change())
FROZEN = symptom("frozen", 13, f"Frames repeat the one before. {LONGER}", is_frozen)
FLICKERING = symptom("flicker", 13, f"The light of whole frames jumps. {LONGER}", is_flickering)
SHUFFLED = symptom(
    "shuffled frames",
    14,
    f"Neighbouring frames are hardly more alike than others: look at the order of the frames in the files. {LONGER}",
    is_shuffled,
)
CUT = symptom("cuts", 14, f"Clips jump from one scene to another. {LONGER}", is_cut)
NOISY = symptom("noisy frames", 14, LONGER, is_noisy)
BLURRED = symptom("blurred frames", 21, f"{LONGER}, or take wider networks", is_blurred)
SLOW = symptom("slow motion", 24, f"Look at data.frame_rate and data.every. {LONGER}", is_slow)
FAST = symptom("too much motion", 25, f"Look at data.frame_rate and data.every. {LONGER}", is_fast)
NO_DIGIT = symptom("unknown digits", 26, f"Frames show no digit, or another one than the rest of the clip. {LONGER}")
WRONG_LIGHT = symptom("wrong brightness", 28, LONGER)


def describe_change(data: Any, bounds: Bounds) -> str:
    """Return the evidence of what was done to all samples."""
    words = data.change.words if data.change else "changed"
    number = data.profiles["course"].measurement.number
    return f"samples are {words}: undone, their mean course is {number:.3g} gray levels nearer to the real one"


statistic = functools.partial(statistic_measure, real="real clips")
profile = functools.partial(profile_measure, real="real clips")

MEASURES: tuple[Measure[Any], ...] = (
    statistic("brightness", "mean level", FLICKERING, WRONG_LIGHT),
    statistic("contrast", "standard deviation of the levels", WRONG_LIGHT, BLURRED),
    statistic("edges", "mean difference of neighbouring pixels", NOISY, BLURRED, WRONG_LIGHT),
    statistic("motion", "mean change from frame to frame", FROZEN, FLICKERING, SHUFFLED, NOISY, SLOW, FAST),
    profile("equal_frames", "share of frames that equal the one before, beyond that of real clips", EQUAL, FROZEN),
    profile(
        "recognised",
        "share of frames that show the digit of their clip, over that of real clips",
        0.9,
        NO_DIGIT,
        kind="relative",
        better="high",
        limits={"gt": 0, "le": 1},
        needs=DIGIT,
    ),
    profile(
        "flicker",
        "mean change of the light of a whole frame against its neighbours, as a share, beyond that of real clips",
        FLICKER,
        FLICKERING,
    ),
    profile(
        "grain",
        "median difference of a pixel from the mean of its neighbours left and right, in gray levels, beyond that of "
        "real clips",
        GRAIN,
        NOISY,
    ),
    profile(
        "order",
        "change between neighbouring frames over that between frames two apart, minus that of real clips",
        ORDER,
        FLICKERING,
        SHUFFLED,
        NOISY,
        CUT,
    ),
    profile(
        "cuts",
        "largest change between neighbouring frames over the median one, minus that of real clips",
        CUTS,
        FROZEN,
        FLICKERING,
        CUT,
    ),
    profile(
        "course",
        "how much nearer the mean course comes to the real one if clips are reversed, in gray levels; 0 unless that "
        "halves the distance",
        1.0,
        BACKWARDS,
        evidence=describe_change,
    ),
    Measure("course_change", name_change, "what was done to all samples", reported=False),
)
