"""Profiles of music: means over a set of what musicians count, in shares and semitones."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Int64Array, Items
from pipeline.items import ItemSpec
from pipeline.media.music import grammar, harmony
from pipeline.media.music.grid import pitches_of
from pipeline.media.profiles import Change, Profile, best_change, take_first

LEAST = 0.1  # nearer shares of pitches are not compared further
FARTHEST = 12  # semitones
MOST_VOICES = 4  # whose orders are tried
GRAMMAR = "grammar"
"""What only items of the chord grammar have; see `Measure.needs`."""


def profiles(spec: ItemSpec) -> Sequence[Profile]:
    """Return the profiles of items of a spec."""
    change = functools.partial(find_change, spec=spec)
    found = [
        Profile("in_scale", of(spec, harmony.in_scale), take_first),
        Profile("triads", of(spec, harmony.triads), take_first),
        Profile("crossings", of(spec, harmony.crossings), take_first),
        Profile("melody", of(spec, harmony.interval_counts), functools.partial(compare_intervals, voices=spec.width)),
        Profile("pitch_classes", of(spec, harmony.pitch_class_shares), total_variation),
        Profile("registers", of(spec, harmony.registers), compare_registers),
        Profile("rests", of(spec, harmony.rests), largest_difference),
        Profile(
            "pitch_change",
            functools.partial(symbol_shares, symbols=spec.symbols),
            functools.partial(compare_symbols, spec=spec),
            weighted=False,
            change=change,
        ),
    ]
    if GRAMMAR not in lacks(spec):
        found.append(Profile("valid_progressions", of(spec, grammar.valid), take_first))
    return found


def lacks(spec: ItemSpec) -> frozenset[str]:
    """Return "grammar" for items that do not come from the chord grammar."""
    return frozenset() if spec.details.get(GRAMMAR) else frozenset([GRAMMAR])


def of(spec: ItemSpec, count: Callable[[Int64Array], FloatArray]) -> Callable[[Items], FloatArray]:
    """Return a function of items that counts something in their pitches, [n, k]."""

    def values(items: Items) -> FloatArray:
        found = count(pitches_of(items, spec))
        return found.reshape(len(items), -1)

    return values


# --- comparisons ---


def total_variation(fake: Float64Array, real: Float64Array) -> float:
    """Return the share that would have to move to make two distributions equal."""
    return float(np.abs(normalise(fake) - normalise(real)).sum() / 2)


def normalise(shares: Float64Array) -> Float64Array:
    """Return shares of the last axis that sum to 1."""
    scaled: Float64Array = shares / np.maximum(shares.sum(axis=-1, keepdims=True), 1e-9)
    return scaled


def compare_intervals(fake: Float64Array, real: Float64Array, voices: int) -> float:
    """Return the total variation of the intervals of each voice, the mean over the voices."""
    ours, theirs = (normalise(counts.reshape(voices, -1)) for counts in (fake, real))
    return float(np.abs(ours - theirs).sum(axis=1).mean() / 2)


def compare_registers(fake: Float64Array, real: Float64Array) -> float:
    """Return the largest difference of the mean pitch of a voice, in semitones."""
    ours, theirs = (np.divide(*np.split(np.maximum(sums, 1e-9), 2)) for sums in (fake, real))
    return largest_difference(ours, theirs)


def largest_difference(fake: Float64Array, real: Float64Array) -> float:
    """Return the largest absolute difference."""
    return float(np.abs(fake - real).max())


# --- what was done to all samples ---


def symbol_shares(items: Items, symbols: int) -> FloatArray:
    """Return the share of each symbol in each voice, [n, voices * symbols]."""
    n, steps, voices, _ = items.shape
    place = items[..., 0].astype(np.int64) + symbols * (np.arange(voices) + voices * np.arange(n)[:, None, None])
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
    ours, theirs = fake.reshape(spec.width, spec.symbols), real.reshape(spec.width, spec.symbols)
    return best_change(
        apart(ours, theirs), itertools.chain(transpositions(ours, theirs, spec), orders(ours, theirs)), LEAST
    )


def apart(ours: FloatArray, theirs: FloatArray) -> float:
    """Return the total variation of the symbols of each voice, the mean over the voices."""
    return float(np.abs(ours - theirs).sum(axis=1).mean() / 2)


def transpositions(ours: FloatArray, theirs: FloatArray, spec: ItemSpec) -> Iterator[tuple[Change, float]]:
    """Yield transposed shares of symbols, with their distances."""
    for semitones in range(-FARTHEST, FARTHEST + 1):
        if not semitones:
            continue
        moved = ours.copy()
        moved[:, 1:] = 0
        source = np.arange(1, spec.symbols)
        goal = source - semitones
        kept = (goal >= 1) & (goal < spec.symbols)
        moved[:, goal[kept]] = ours[:, source[kept]]
        words = f"transposed {'up' if semitones > 0 else 'down'} by {abs(semitones)} semitones"
        undo = functools.partial(transpose, semitones=-semitones, symbols=spec.symbols)
        yield Change("transposed", words, undo), apart(moved, theirs)


def transpose(items: Items, semitones: int, symbols: int) -> Items:
    """Return items with all pitches moved; those that leave the range stay at its end."""
    moved = np.clip(items.astype(np.int64) + semitones, 1, symbols - 1)
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
