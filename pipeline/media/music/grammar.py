"""Chord progressions in C major for four voices, by stated rules: data without a download, whose truth is known.

The rules, which `classify` checks and `compose` obeys:

1. An item is four chords of equal length, one of `PROGRESSIONS`.
2. The bass sounds the root of the chord, and holds it.
3. Tenor and alto hold the third and the fifth, at most an octave apart. From chord to chord each moves by at most a
   fourth.
4. The soprano sounds tones of the chord. It may move at each step, by at most a sixth.
5. Each voice stays in its range (`RANGES`), and below the voice above it.
"""

from functools import cache

import numpy as np

from pipeline.arrays import BoolArray, FloatArray, Int64Array

CHORDS = {"C": (0, 4, 7), "Dm": (2, 5, 9), "F": (5, 9, 0), "G": (7, 11, 2), "Am": (9, 0, 4)}
"""Root, third and fifth as pitch classes."""

PROGRESSIONS = {
    "authentic": ("C", "F", "G", "C"),
    "plagal": ("C", "Am", "F", "C"),
    "half": ("C", "Am", "Dm", "G"),
    "deceptive": ("C", "Dm", "G", "Am"),
    "circle": ("Am", "Dm", "G", "C"),
    "axis": ("Am", "F", "C", "G"),
}
"""Chords of each class."""

VOICES = ("soprano", "alto", "tenor", "bass")
RANGES = ((65, 79), (55, 64), (48, 60), (41, 50))
"""Lowest and highest MIDI pitch of each voice."""

SPREAD, FOURTH, SIXTH = 12, 5, 9


def classify(pitches: Int64Array) -> Int64Array:
    """Return the number of the progression of pitches [n, steps, 4], [n]; -1 for items that break a rule."""
    n, steps, voices = pitches.shape
    if voices != len(VOICES) or steps % 4:
        return np.full(n, -1, dtype=np.int64)
    kept = keeps_ranges(pitches) & (np.abs(np.diff(pitches[..., 0], axis=1)) <= SIXTH).all(axis=1)
    by_chord = pitches.reshape(n, 4, steps // 4, voices)
    held = by_chord[:, :, 0, 1:]
    kept &= (by_chord[..., 1:] == held[:, :, None]).all(axis=(1, 2, 3))
    kept &= (np.abs(np.diff(held[..., :2], axis=1)) <= FOURTH).all(axis=(1, 2))
    kept &= (held[..., 0] - held[..., 1] <= SPREAD).all(axis=1)
    found = np.full(n, -1, dtype=np.int64)
    for number, names in enumerate(PROGRESSIONS.values()):
        fits = np.stack([is_chord(by_chord[:, place], name) for place, name in enumerate(names)]).all(axis=0)
        found[kept & fits] = number
    return found


def keeps_ranges(pitches: Int64Array) -> BoolArray:
    """Return which items keep the ranges and the order of the voices, [n]."""
    low, high = np.array(RANGES).T
    inside = ((pitches >= low) & (pitches <= high)).all(axis=(1, 2))
    kept: BoolArray = inside & (pitches[..., :-1] > pitches[..., 1:]).all(axis=(1, 2))
    return kept


def is_chord(part: Int64Array, name: str) -> BoolArray:
    """Return which parts [n, steps, 4] sound a chord as rules 2 to 4 say, [n]."""
    root, third, fifth = CHORDS[name]
    soprano, alto, tenor, bass = np.moveaxis(part % 12, 2, 0)
    inner = ((alto == third) & (tenor == fifth)) | ((alto == fifth) & (tenor == third))
    sounds: BoolArray = (np.isin(soprano, CHORDS[name]) & inner & (bass == root)).all(axis=1)
    return sounds


def valid(pitches: Int64Array) -> FloatArray:
    """Return 1 for items that keep all rules, else 0, [n]."""
    return (classify(pitches) >= 0).astype(np.float32)


@cache
def tones(name: str, classes: tuple[int, ...], voice: int) -> list[int]:
    """Return the pitches of a voice that have one of some places in a chord: 0 root, 1 third, 2 fifth."""
    wanted = {CHORDS[name][place] for place in classes}
    low, high = RANGES[voice]
    return [pitch for pitch in range(low, high + 1) if pitch % 12 in wanted]


@cache
def inner_voices(name: str) -> list[tuple[int, int]]:
    """Return the pitches of alto and tenor that a chord can have."""
    return [
        (alto, tenor)
        for first, second in ((1, 2), (2, 1))
        for alto in tones(name, (first,), 1)
        for tenor in tones(name, (second,), 2)
        if 0 < alto - tenor <= SPREAD
    ]


def compose(progression: str, steps: int, rng: np.random.Generator) -> Int64Array:
    """Return a random item of a progression, pitches [steps, 4]."""
    while True:
        piece = attempt(progression, steps, rng)
        if piece is not None:
            return piece


def attempt(progression: str, steps: int, rng: np.random.Generator) -> Int64Array | None:
    """Return a random item; None if no tone was left at some step."""
    rows: list[tuple[int, int, int, int]] = []
    for name in PROGRESSIONS[progression]:
        last = rows[-1] if rows else None
        pairs = [
            (alto, tenor)
            for alto, tenor in inner_voices(name)
            if last is None or max(abs(alto - last[1]), abs(tenor - last[2])) <= FOURTH
        ]
        if not pairs:
            return None
        alto, tenor = pairs[rng.integers(len(pairs))]
        basses = [pitch for pitch in tones(name, (0,), 3) if pitch < tenor]
        if not basses:
            return None
        bass = basses[rng.integers(len(basses))]
        for _ in range(steps // 4):
            near = [
                pitch
                for pitch in tones(name, (0, 1, 2), 0)
                if pitch > alto and (not rows or abs(pitch - rows[-1][0]) <= SIXTH)
            ]
            if not near:
                return None
            rows.append((near[rng.integers(len(near))], alto, tenor, bass))
    return np.array(rows, dtype=np.int64)
