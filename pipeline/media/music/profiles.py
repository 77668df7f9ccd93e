"""Profiles of music: means over a set of what musicians count, in shares and semitones."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Int64Array, Items
from pipeline.items import ItemSpec
from pipeline.media.music import grammar_source, harmony
from pipeline.media.music.form import pitch_count
from pipeline.media.music.grid import pitches_of
from pipeline.media.music.profile_comparisons import (
    compare_intervals,
    compare_ratios,
    largest_difference,
    total_variation,
)
from pipeline.media.music.roll_profiles import pitched_tracks, track_profiles
from pipeline.media.profiles import Change, Profile, best_change, take_first

LEAST = 0.1  # nearer shares of pitches are not compared further
FARTHEST = 12  # semitones
MOST_VOICES = 4  # whose orders are tried
GRAMMAR, VOICES, TRACKS, SEVERAL, PITCHES = "grammar", "voices", "tracks", "several tracks", "pitches"
"""What only some items have: those of the chord grammar, voices, tracks, more than one, any that is no percussion.

See `Measure.needs`.
"""


def profiles(spec: ItemSpec) -> Sequence[Profile]:
    """Return the profiles of items of a spec."""
    found = list(track_profiles(spec) if "tracks" in spec.details else voice_profiles(spec))
    if GRAMMAR not in lacks(spec):
        found.append(Profile("valid_progressions", functools.partial(count_valid, spec=spec), take_first))
    return found


def voice_profiles(spec: ItemSpec) -> Sequence[Profile]:
    """Return the profiles of voices."""
    change = functools.partial(find_change, spec=spec)
    return [
        Profile("in_scale", of(spec, harmony.in_scale), take_first),
        Profile("triads", of(spec, harmony.triads), take_first),
        Profile("crossings", of(spec, harmony.crossings), take_first),
        Profile("melody", of(spec, harmony.interval_counts), functools.partial(compare_intervals, voices=spec.width)),
        Profile("pitch_classes", of(spec, harmony.pitch_class_shares), total_variation),
        Profile("registers", of(spec, harmony.registers), compare_ratios),
        Profile("rests", of(spec, harmony.rests), largest_difference),
        Profile(
            "pitch_change",
            functools.partial(symbol_shares, count=pitch_count(spec)),
            functools.partial(compare_symbols, spec=spec),
            weighted=False,
            change=change,
        ),
    ]


def count_valid(items: Items, spec: ItemSpec) -> FloatArray:
    """Return whether items keep the rules of the chord grammar, [n, 1]."""
    return grammar_source.valid(items, spec)[:, None]


def lacks(spec: ItemSpec) -> frozenset[str]:
    """Return the needs of measures that items of a spec do not meet."""
    tracks = "tracks" in spec.details
    missing = {
        VOICES: tracks,
        TRACKS: not tracks,
        SEVERAL: not tracks or len(pitched_tracks(spec)) < 2,
        PITCHES: tracks and not pitched_tracks(spec),
        GRAMMAR: not spec.details.get(GRAMMAR),
    }
    return frozenset(need for need, lacking in missing.items() if lacking)


def of(spec: ItemSpec, count: Callable[[Int64Array], FloatArray]) -> Callable[[Items], FloatArray]:
    """Return a function of items that counts something in their pitches, [n, k]."""

    def values(items: Items) -> FloatArray:
        found = count(pitches_of(items, spec))
        return found.reshape(len(items), -1)

    return values


# --- what was done to all samples ---


def symbol_shares(items: Items, count: int) -> FloatArray:
    """Return the share of rests and of each of `count` pitches in each voice, [n, voices * (1 + count)]."""
    n, steps, voices, _ = items.shape
    found, symbols = items[..., 0].astype(np.int64), 1 + count
    found = np.where(found > 0, (found - 1) % count + 1, 0)
    place = found + symbols * (np.arange(voices) + voices * np.arange(n)[:, None, None])
    counts = np.bincount(place.ravel(), minlength=n * voices * symbols)
    return np.asarray(counts.reshape(n, voices * symbols) / steps, dtype=np.float32)


def compare_symbols(fake: Float64Array, real: Float64Array, spec: ItemSpec) -> float:
    """Return how much nearer the pitches come to those of real items by the best change; mostly 0."""
    return search(fake, real, spec)[0]


def find_change(fake: Float64Array, real: Float64Array, spec: ItemSpec) -> Change | None:
    """Return the best change; None if there is none that explains the difference."""
    return search(fake, real, spec)[1]


def search(fake: Float64Array, real: Float64Array, spec: ItemSpec) -> tuple[float, Change | None]:
    """Return the gain of the best change in total variation, and the change."""
    count = pitch_count(spec)
    ours, theirs = fake.reshape(spec.width, 1 + count), real.reshape(spec.width, 1 + count)
    changes = itertools.chain(transpositions(ours, theirs, count), orders(ours, theirs))
    return best_change(apart(ours, theirs), changes, LEAST)


def apart(ours: FloatArray, theirs: FloatArray) -> float:
    """Return the total variation of the symbols of each voice, the mean over the voices."""
    return float(np.abs(ours - theirs).sum(axis=1).mean() / 2)


def transpositions(ours: FloatArray, theirs: FloatArray, count: int) -> Iterator[tuple[Change, float]]:
    """Yield transposed shares of pitches, with their distances."""
    for semitones in range(-FARTHEST, FARTHEST + 1):
        if not semitones:
            continue
        moved = ours.copy()
        moved[:, 1:] = 0
        source = np.arange(1, 1 + count)
        goal = source - semitones
        kept = (goal >= 1) & (goal <= count)
        moved[:, goal[kept]] = ours[:, source[kept]]
        words = f"transposed {'up' if semitones > 0 else 'down'} by {abs(semitones)} semitones"
        undo = functools.partial(transpose, semitones=-semitones, count=count)
        yield Change("transposed", words, undo), apart(moved, theirs)


def transpose(items: Items, semitones: int, count: int) -> Items:
    """Return voices with all pitches moved; those that leave the range of `count` pitches stay at its end."""
    held, pitch = np.divmod(items.astype(np.int64) - 1, count)
    moved = np.clip(pitch + semitones, 0, count - 1) + count * held + 1
    return np.where(items == 0, 0, moved).astype(items.dtype)


def orders(ours: FloatArray, theirs: FloatArray) -> Iterator[tuple[Change, float]]:
    """Yield the other orders of the voices, with their distances."""
    voices = len(ours)
    if voices > MOST_VOICES:
        return
    for order in list(itertools.permutations(range(voices)))[1:]:
        undo = functools.partial(np.take, indices=order, axis=2)
        parts = [f"voice {a + 1} is voice {b + 1}" for a, b in enumerate(order) if a != b]
        yield Change("swapped voices", f"in another order: {', '.join(parts)}", undo), apart(ours[list(order)], theirs)
