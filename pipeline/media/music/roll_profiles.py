"""Profiles of tracks: means over a set of what is counted in piano rolls."""

import functools
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from pipeline.arrays import BoolArray, Float64Array, FloatArray, Items
from pipeline.items import ItemSpec
from pipeline.media.music import roll_harmony
from pipeline.media.music.families import DRUMS
from pipeline.media.music.form import form_of, lowest, meter, steps_per_quarter
from pipeline.media.music.profile_comparisons import compare_ratios, largest_difference, total_variation
from pipeline.media.music.rolls import is_on
from pipeline.media.music.settings import bar_steps
from pipeline.media.profiles import Profile, take_first

Count: TypeAlias = Callable[[BoolArray], FloatArray]
Compare: TypeAlias = Callable[[Float64Array, Float64Array], float]


def bar_of(spec: ItemSpec) -> int:
    """Return the time steps of a bar; of 4/4, as in the authors' data, if `data.meter` names no other."""
    return int(bar_steps(meter(spec), steps_per_quarter(spec)))


def pitched_tracks(spec: ItemSpec) -> list[int]:
    """Return the numbers of the tracks whose notes have a pitch: all but percussion."""
    return [number for number, name in enumerate(form_of(spec).names(spec)) if name != DRUMS]


def track_profiles(spec: ItemSpec) -> Sequence[Profile]:
    """Return the profiles of tracks; percussion has none of those that are about pitches."""
    low, bar, pitched = lowest(spec), bar_of(spec), pitched_tracks(spec)
    about_pitches: list[tuple[str, Count, Compare]] = [
        ("in_scale", functools.partial(roll_harmony.in_scale, low=low), take_first),
        ("triads", functools.partial(roll_harmony.triads, low=low), take_first),
        ("pitch_classes", functools.partial(roll_harmony.pitch_classes, low=low), total_variation),
        ("registers", functools.partial(roll_harmony.registers, low=low), compare_ratios),
        ("used_classes", functools.partial(roll_harmony.used_classes, low=low, bar=bar), largest_difference),
    ]
    if len(pitched) > 1:
        distances = functools.partial(roll_harmony.tonal_distances, low=low, bar=bar)
        about_pitches.append(("tonal_distance", distances, compare_ratios))
    of_all: list[tuple[str, Count, Compare]] = [
        ("rests", roll_harmony.rests, largest_difference),
        ("polyphony", roll_harmony.polyphony, compare_ratios),
        ("empty_bars", functools.partial(roll_harmony.empty_bars, bar=bar), largest_difference),
    ]
    return [
        *(Profile(name, of_tracks(count, pitched), compare) for name, count, compare in about_pitches if pitched),
        *(Profile(name, of_tracks(count), compare) for name, count, compare in of_all),
        Profile("short_notes", functools.partial(count_short, spec=spec), compare_ratios),
    ]


def of_tracks(count: Count, tracks: Sequence[int] | None = None) -> Callable[[Items], FloatArray]:
    """Return a function of items that counts something in some of the tracks, by default in all."""
    return lambda items: count(is_on(items if tracks is None else items[..., list(tracks)]))


def count_short(items: Items, spec: ItemSpec) -> FloatArray:
    """Return the numbers of short notes and of all notes of each track."""
    return roll_harmony.short_notes(is_on(items), form_of(spec).begins(items, spec))


def onset_rate(items: Items, spec: ItemSpec) -> Float64Array:
    """Return how many notes begin at a step after the first on average, [n]."""
    begins = form_of(spec).begins(items, spec)[:, 1:]
    rate: Float64Array = begins.sum(axis=(2, 3)).mean(axis=1, dtype=np.float64)
    return rate
