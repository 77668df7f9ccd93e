"""Measures of volumes and the failure modes that they name.

Bounds are effect sizes that a person notices in a set: a quarter of the items has a part that floats, one speck of dust
an item, one per cent of empty items.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.measure import Bounds, Measure, Measurement, Symptom
from pipeline.media.declared_measures import (
    Found,
    excess,
    name_change,
    profile_measure,
    ratio,
    statistic_measure,
)
from pipeline.media.volume.profiles import BUILT_IN, SOLID
from pipeline.media.volume.statistics import is_blank

EXPLAINED = frozenset({"appearance", "fidelity", "classes"})
REPEATED = 0.05
"""Share of repeated samples above which few items stand for all, whose means say nothing about the shapes."""
MOST = 0.5
"""Share of blank samples from which the samples as a whole are blank."""
LONGER = "Train longer (train.total_images), lower train.learning_rate towards the end, or raise train.ema_half_life"
ORIGIN = "All samples are changed alike: look at the order of the axes in the files, at data.up and train.flips"


def is_varied(found: Found) -> bool:
    """Return whether samples are not a few items over and over."""
    repeats = [excess(found, name) for name in ("near_duplicates", "duplicate_rate")]
    return max(repeats) <= REPEATED


def is_change(found: Found, name: str) -> bool:
    """Return whether all samples were changed in the way that has this name."""
    return found["placement_change"].value == name


def has_dust(found: Found) -> bool:
    """Return whether small specks are around most items."""
    return is_varied(found) and excess(found, "dust") > 1


def has_holes(found: Found) -> bool:
    """Return whether solids have more tunnels or cavities."""
    return is_varied(found) and excess(found, "cavities") > 1


def is_thick(found: Found) -> bool:
    """Return whether solids are fuller, with less surface."""
    return is_varied(found) and ratio(found, "occupancy") > 1 and ratio(found, "surface") < 1


def is_thin(found: Found) -> bool:
    """Return whether solids are slimmer, with more surface."""
    return is_varied(found) and ratio(found, "occupancy") < 1 and ratio(found, "surface") > 1


def without_blank(data: Any) -> Any:
    """Return the samples that are neither empty nor full."""
    return data.select(np.flatnonzero(is_blank(np.asarray(data.images))[:, 0] == 0))


def symptom(name: str, priority: int, advice: str, when: Callable[[Found], bool] = is_varied) -> Symptom:
    """Return a failure mode of the shape of all samples."""
    return Symptom(name, priority, advice, explains=EXPLAINED, when=when)


BLANK = Symptom(
    "empty samples",
    9,
    f"Some samples are empty or full: look at data.threshold, and at the first previews. {LONGER}",
    explains=frozenset({"near_duplicates", "duplicate_rate", "outliers", "far_outliers", "class_near_duplicates"}),
    when=lambda found: excess(found, "blank") < MOST,
    undo=without_blank,
)
ALL_BLANK = Symptom(
    "empty samples",
    9,
    f"Most samples are empty or full: lower train.learning_rate, or raise model.penalties. {LONGER}",
    explains=EXPLAINED | {"near_duplicates", "duplicate_rate", "copying", "conditions"},
    when=lambda found: excess(found, "blank") >= MOST,
)
CHANGED = tuple(
    Symptom(
        name,
        12,
        ORIGIN,
        when=functools.partial(is_change, name=name),
        undo=lambda data: data.undo_change(),
    )
    for name in ("mirrored", "upside down", "turned", "shifted")
)
DUST = symptom("dust", 20, f"Small specks are around the solids. {LONGER}", has_dust)
HOLES = symptom("holes", 21, f"Solids are full of holes, or torn. {LONGER}", has_holes)
THICK = symptom("thickened", 22, f"Solids are too thick. {LONGER}, or take wider networks", is_thick)
THIN = symptom("thinned", 23, f"Solids are too thin. {LONGER}", is_thin)
FLOATING = symptom("floating pieces", 24, f"Parts float next to the solids. {LONGER}, or take wider networks")
ASYMMETRIC = symptom("wrong symmetry", 31, LONGER)
WRONG_SHAPES = symptom("wrong shapes", 32, f"Samples are none of the built-in solids. {LONGER}")
UNMATCHED = Symptom(
    "unmatched shapes", 82, f"Real items have no sample near them. {LONGER}", explains=frozenset({"fidelity"})
)


def describe_change(data: Any, bounds: Bounds) -> str:
    """Return the evidence of what was done to all samples."""
    words = data.change.words if data.change else "changed"
    gain = data.profiles["placement"].measurement.number
    return f"samples are {words}: undone, their mean volume is {gain:.3g} gray levels nearer to the real one"


def by_distance(name: str) -> Callable[[Any], Measurement]:
    """Return the function that takes a measure of `Likeness.set_distances`."""
    return lambda data: data.set_distances.get(name, Measurement(None))


statistic = functools.partial(statistic_measure, real="real volumes")
profile = functools.partial(profile_measure, real="real volumes")
set_measure = functools.partial(
    Measure, group="appearance", missing="too few real volumes for two sets of them", needs=SOLID
)

MEASURES: tuple[Measure[Any], ...] = (
    statistic("occupancy", "mean share of occupied voxels", HOLES, THICK, THIN),
    statistic("surface", "faces of the surface per occupied voxel", DUST, HOLES, THICK, THIN),
    statistic("symmetry", "largest share of a volume that its mirror image along an axis shares", ASYMMETRIC),
    profile(
        "pieces",
        "median number of pieces beyond that of real volumes",
        1.0,
        DUST,
        HOLES,
        FLOATING,
        needs=SOLID,
        headline=True,
    ),
    profile(
        "floating",
        "share of volumes with a second piece of at least 4 voxels, beyond that of real volumes",
        0.25,
        HOLES,
        FLOATING,
        needs=SOLID,
    ),
    profile(
        "dust", "pieces of fewer than 4 voxels in a volume, beyond those of real volumes", 1.0, DUST, HOLES, needs=SOLID
    ),
    profile("cavities", "tunnels or cavities of a volume, beyond those of real volumes", 1.0, HOLES, needs=SOLID),
    profile("blank", "share of empty or full volumes beyond that of real volumes", 0.01, BLANK, ALL_BLANK, needs=SOLID),
    profile(
        "as_built",
        "share of volumes that rules know as one of the built-in solids, over that of real volumes",
        0.9,
        DUST,
        HOLES,
        FLOATING,
        WRONG_SHAPES,
        kind="relative",
        better="high",
        limits={"gt": 0, "le": 1},
        needs=BUILT_IN,
    ),
    profile(
        "placement",
        "how much nearer the mean volume comes to the real one if samples are mirrored, turned or shifted, in gray "
        "levels; 0 unless that halves the distance",
        2.0,
        *CHANGED,
        evidence=describe_change,
    ),
    Measure("placement_change", name_change, "what was done to all samples", reported=False),
    set_measure(
        "shape_coverage",
        by_distance("coverage"),
        "share of real volumes that are nearest to a sample by IoU, over that of real volumes",
        kind="relative",
        better="high",
        bound=0.8,
        limits={"ge": 0},
        symptoms=(UNMATCHED,),
        headline=True,
    ),
    set_measure(
        "shape_mmd",
        by_distance("matching"),
        "mean 1 - IoU of a real volume and the nearest sample, over that of real volumes",
        kind="relative",
        better="low",
        bound=1.15,
        limits={"gt": 0},
        symptoms=(UNMATCHED,),
        headline=True,
    ),
    set_measure(
        "shape_1nna",
        by_distance("neighbours"),
        "share of volumes whose nearest one by IoU is of their own set; about 0.5 for a perfect generator, "
        "and for some collapsed ones",
    ),
)
