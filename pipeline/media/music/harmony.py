"""What musicians count: chords, intervals, crossings, onsets and rests of pitches [n, steps, voices]; -1 is a rest."""

import numpy as np

from pipeline.arrays import BoolArray, Float64Array, FloatArray, Int64Array

SCALE = (0, 2, 4, 5, 7, 9, 11)
"""Pitch classes of C major and A minor."""

TRIADS = ((0, 4, 7), (0, 3, 7), (0, 3, 6))
SEVENTHS = ((0, 4, 7, 10), (0, 3, 7, 10), (0, 4, 7, 11), (0, 3, 6, 10))
LARGEST = 12
"""Largest interval that is counted by itself, in semitones; larger ones count as this."""

INTERVALS = 2 * LARGEST + 1


def chord_table() -> BoolArray:
    """Return for each set of pitch classes, as bits of an index, whether it is a seventh or lies within a triad."""
    table = np.zeros(4096, dtype=bool)
    for root in range(12):
        for tones in (*TRIADS, *SEVENTHS):
            bits = [1 << (root + tone) % 12 for tone in tones]
            table[sum(bits)] = True
            if len(bits) == 3:
                for part in range(1, 8):
                    table[sum(bit for place, bit in enumerate(bits) if part >> place & 1)] = True
    return table


IS_CHORD = chord_table()


def mean_where(flags: BoolArray, counted: BoolArray) -> FloatArray:
    """Return the share of the counted places of each item that have a flag, [n]; 0 if none is counted."""
    axes = tuple(range(1, flags.ndim))
    total = counted.sum(axis=axes)
    return np.asarray((flags & counted).sum(axis=axes) / np.maximum(total, 1), dtype=np.float32)


def in_scale(pitches: Int64Array) -> FloatArray:
    """Return the share of sounding places in the scale of C major, [n]."""
    return mean_where(np.isin(pitches % 12, SCALE), pitches >= 0)


def triads(pitches: Int64Array) -> FloatArray:
    """Return the share of sounding steps whose notes are a seventh chord, or a triad or part of one, [n]."""
    bits = np.where(pitches >= 0, 1 << pitches % 12, 0)
    sets = np.bitwise_or.reduce(bits, axis=2)
    return mean_where(IS_CHORD[sets], sets > 0)


def crossings(pitches: Int64Array) -> FloatArray:
    """Return the share of steps at which a voice is lower than the next one, which is meant to be lower, [n]."""
    upper, lower = pitches[..., :-1], pitches[..., 1:]
    crossed = (upper >= 0) & (lower >= 0) & (lower > upper)
    return np.asarray(crossed.any(axis=2).mean(axis=1), dtype=np.float32)


def rests(pitches: Int64Array) -> FloatArray:
    """Return the share of rests of each voice, [n, voices]."""
    return np.asarray((pitches < 0).mean(axis=1), dtype=np.float32)


def moves(pitches: Int64Array) -> tuple[Int64Array, BoolArray]:
    """Return the intervals from step to step in semitones, [n, steps - 1, voices], and where a voice moves."""
    before, after = pitches[:, :-1], pitches[:, 1:]
    return after - before, (before >= 0) & (after >= 0) & (after != before)


def onset_rate(begins: BoolArray) -> Float64Array:
    """Return the share of steps after the first at which a voice begins a note, [n], of [n, steps, voices]."""
    rate: Float64Array = begins[:, 1:].mean(axis=(1, 2))
    return rate


def mean_interval(pitches: Int64Array) -> Float64Array:
    """Return the mean size of the intervals of moving voices in semitones, [n]; 0 if no voice moves."""
    interval, moving = moves(pitches)
    size: Float64Array = np.where(moving, np.abs(interval), 0).sum(axis=(1, 2)) / np.maximum(moving.sum(axis=(1, 2)), 1)
    return size


def interval_counts(pitches: Int64Array) -> FloatArray:
    """Return how often each voice moves by each interval, [n, voices * 25], from an octave down to an octave up."""
    interval, moving = moves(pitches)
    n, _, voices = interval.shape
    place = np.clip(interval, -LARGEST, LARGEST) + LARGEST + np.arange(voices) * INTERVALS
    place = np.where(moving, place + np.arange(n)[:, None, None] * voices * INTERVALS, -1)
    counts = np.bincount(place[moving], minlength=n * voices * INTERVALS)
    return counts.reshape(n, voices * INTERVALS).astype(np.float32)


def pitch_class_shares(pitches: Int64Array) -> FloatArray:
    """Return the share of each pitch class among the sounding places, [n, 12]."""
    n = len(pitches)
    place = pitches % 12 + 12 * np.arange(n)[:, None, None]
    counts = np.bincount(place[pitches >= 0], minlength=12 * n).reshape(n, 12)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), dtype=np.float32)


def registers(pitches: Int64Array) -> FloatArray:
    """Return the sum of the pitches of each voice and the number of steps where it sounds, [n, 2 * voices]."""
    sounding = pitches >= 0
    sums = np.where(sounding, pitches, 0).sum(axis=1)
    return np.concatenate([sums, sounding.sum(axis=1)], axis=1).astype(np.float32)
