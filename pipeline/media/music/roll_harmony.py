"""What the authors of MuseGAN and others count in tracks: on [n, steps, pitches, tracks], boolean.

Dong, Hsiao, Yang and Yang, "MuseGAN" (2018), section 5.3: empty bars, used pitch classes, qualified notes and tonal
distance. The tonal distance is that of Harte, Sandler and Gasser, "Detecting Harmonic Change in Musical Audio" (2006).
"""

from itertools import combinations

import numpy as np

from pipeline.arrays import BoolArray, Float64Array, FloatArray
from pipeline.media.music.harmony import IS_CHORD, SCALE

RADII = (1.0, 1.0, 0.5)
"""Of the circles of fifths, of minor thirds and of major thirds."""

TURNS = (7 / 6, 3 / 2, 2 / 3)
"""Angle of a semitone on each circle, in units of pi."""


def as_floats(values: Float64Array) -> FloatArray:
    """Return values [n, ...] as float32 [n, k]."""
    return values.reshape(len(values), -1).astype(np.float32)


def chroma_table(pitches: int, low: int) -> Float64Array:
    """Return which pitch class each row of a roll has, [pitches, 12]."""
    return np.eye(12)[(np.arange(pitches) + low) % 12]


def chroma(on: BoolArray, low: int) -> Float64Array:
    """Return how many notes of each pitch class each track sounds, [n, steps, tracks, 12]."""
    counts: Float64Array = np.moveaxis(on, 3, 2).astype(np.float64) @ chroma_table(on.shape[2], low)
    return counts


def pitch_classes(on: BoolArray, low: int) -> FloatArray:
    """Return the share of each pitch class among the sounding notes, [n, 12]."""
    counts = chroma(on, low).sum(axis=(1, 2))
    return as_floats(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def in_scale(on: BoolArray, low: int) -> FloatArray:
    """Return the share of sounding notes in the scale of C major, [n, 1]."""
    return as_floats(pitch_classes(on, low)[:, list(SCALE)].sum(axis=1, dtype=np.float64))


def triads(on: BoolArray, low: int) -> FloatArray:
    """Return the share of sounding steps whose notes are a seventh chord, or a triad or part of one, [n, 1]."""
    sets = ((chroma(on, low).sum(axis=2) > 0) * (1 << np.arange(12))).sum(axis=2)
    sounding = sets > 0
    return as_floats((IS_CHORD[sets] & sounding).sum(axis=1) / np.maximum(sounding.sum(axis=1), 1))


def registers(on: BoolArray, low: int) -> FloatArray:
    """Return the sum of the pitches of each track and the number of its notes, step by step, [n, 2 * tracks]."""
    counts = on.sum(axis=1, dtype=np.float64)
    sums = (counts * (np.arange(on.shape[2]) + low)[:, None]).sum(axis=1)
    return as_floats(np.concatenate([sums, counts.sum(axis=1)], axis=1))


def rests(on: BoolArray) -> FloatArray:
    """Return the share of steps at which each track is silent, [n, tracks]."""
    return as_floats(1 - on.any(axis=2).mean(axis=1, dtype=np.float64))


def polyphony(on: BoolArray) -> FloatArray:
    """Return the number of notes of each track, step by step, and of steps at which it sounds, [n, 2 * tracks]."""
    notes = on.sum(axis=(1, 2), dtype=np.float64)
    return as_floats(np.concatenate([notes, on.any(axis=2).sum(axis=1, dtype=np.float64)], axis=1))


def in_bars(on: BoolArray, bar: int) -> BoolArray:
    """Return tracks bar by bar, [n, bars, steps, pitches, tracks]; what is left after the last whole bar is not."""
    bar = min(bar, on.shape[1])
    count = on.shape[1] // bar
    return on[:, : count * bar].reshape(len(on), count, bar, *on.shape[2:])


def per_bar(on: BoolArray, bar: int) -> BoolArray:
    """Return which pitches each track sounds in a bar, [n, bars, pitches, tracks]."""
    return np.asarray(in_bars(on, bar).any(axis=2))


def empty_bars(on: BoolArray, bar: int) -> FloatArray:
    """Return the share of bars at which each track is silent, [n, tracks]."""
    return as_floats(1 - in_bars(on, bar).any(axis=(2, 3)).mean(axis=1, dtype=np.float64))


def used_classes(on: BoolArray, low: int, bar: int) -> FloatArray:
    """Return how many pitch classes each track uses in a bar on average, [n, tracks]."""
    return as_floats((chroma(per_bar(on, bar), low) > 0).sum(axis=3).mean(axis=1))


def short_notes(on: BoolArray, begins: BoolArray) -> FloatArray:
    """Return the number of notes of one step, and of all notes, of each track, [n, 2 * tracks]."""
    ends = np.ones_like(on)
    ends[:, :-1] = ~on[:, 1:] | begins[:, 1:]
    counts = [flags.sum(axis=(1, 2), dtype=np.float64) for flags in (begins & ends, begins)]
    return as_floats(np.concatenate(counts, axis=1))


def tonal_distances(on: BoolArray, low: int, bar: int) -> FloatArray:
    """Return the sums of the distances between each two tracks over bars, and the numbers of bars, [n, 2 * pairs].

    Bars count in which both tracks sound.
    """
    counts = chroma(per_bar(on, bar), low)
    total = counts.sum(axis=3, keepdims=True)
    centroids = counts / np.maximum(total, 1) @ centroid_table()
    pairs = list(combinations(range(on.shape[3]), 2))
    both = np.stack([(total[:, :, a] > 0) & (total[:, :, b] > 0) for a, b in pairs], axis=2)[..., 0]
    apart = np.stack([np.linalg.norm(centroids[:, :, a] - centroids[:, :, b], axis=2) for a, b in pairs], axis=2)
    return as_floats(np.concatenate([(apart * both).sum(axis=1), both.sum(axis=1, dtype=np.float64)], axis=1))


def centroid_table() -> Float64Array:
    """Return the place of each pitch class on the three circles, [12, 6]."""
    semitones = np.arange(12)[:, None]
    angles = np.pi * np.array(TURNS) * semitones
    return np.concatenate([np.sin(angles) * RADII, np.cos(angles) * RADII], axis=1)
