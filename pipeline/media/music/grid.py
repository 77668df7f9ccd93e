"""Pieces on a grid of time steps: which pitch each voice sounds at each step, and the windows of a piece.

A rest is -1 among pitches, and symbol 0 in a stored item. Pitch p is symbol p - lowest + 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.arrays import Int64Array, Items
from pipeline.items import ItemSpec
from pipeline.media.codec import BadItem
from pipeline.media.music.key import find_shift
from pipeline.media.music.midi import TICKS, Note, Score
from pipeline.media.music.settings import MusicSettings

REST = -1
PHASE = 0.125
"""Part of a step after which a note must have begun to belong to it, so that notes played a little late do."""


@dataclass(frozen=True)
class Piece:
    """A file on the grid.

    Attributes:
        pitches: [steps, voices]; -1 for a rest.
        shift: Semitones by which it was transposed.
        lost: Share of the notes that sound at no step.
        merged: Share of the notes that follow one of the same pitch, and become one note with it.
        stacked: Share of the notes that another note of their voice hides.
    """

    pitches: Int64Array
    shift: int
    lost: float
    merged: float
    stacked: float


def place(score: Score, settings: MusicSettings) -> Piece:
    """Bring a file to the grid. Raises BadItem if it has another number of parts than voices."""
    parts = list(score.parts)
    if settings.parts == "tracks" and len(parts) != settings.voices:
        raise BadItem(
            f"has {len(parts)} {'part' if len(parts) == 1 else 'parts'} with notes, not data.voices {settings.voices}; "
            "data.parts: pitch takes the highest notes of all parts"
        )
    step = score.division / settings.steps_per_quarter
    count = max(1, round(score.ticks / step))
    notes = [note for part in parts for note in part]
    spans = np.array([[note.start, note.end] for note in notes], dtype=np.float64) / step
    first, last = (np.maximum(np.ceil(spans - PHASE), 0).astype(np.int64)).T
    owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    grid = np.full((count, len(parts) if settings.parts == "tracks" else settings.voices), REST, dtype=np.int64)
    sounding: list[list[int]] = [[] for _ in range(count)]
    for number in range(len(notes)):
        for at in range(first[number], min(last[number], count)):
            sounding[at].append(number)
    shown = fill(grid, sounding, [note.pitch for note in notes], owner if settings.parts == "tracks" else None)
    heard = {number for numbers in sounding for number in numbers}
    total = len(notes)
    merged = count_merged(shown, notes)
    shift = find_shift(grid) if settings.key == "C" else 0
    grid[grid != REST] += shift
    seen = set(shown[shown >= 0].tolist())
    return Piece(grid, shift, 1 - len(heard) / total, merged / total, len(heard - seen) / total)


def fill(grid: Int64Array, sounding: list[list[int]], pitches: list[int], owner: Int64Array | None) -> Int64Array:
    """Write the pitches of sounding notes into `grid`; return the number of the note in each place, -1 for none.

    Args:
        owner: Voice of each note; None assigns the highest notes to the voices from the first one down.
    """
    shown = np.full_like(grid, -1)
    for at, numbers in enumerate(sounding):
        for rank, number in enumerate(sorted(numbers, key=lambda one: -pitches[one])):
            voice = rank if owner is None else int(owner[number])
            if voice < grid.shape[1] and shown[at, voice] < 0:
                shown[at, voice], grid[at, voice] = number, pitches[number]
    return shown


def count_merged(shown: Int64Array, notes: list[Note]) -> int:
    """Return how many notes begin right after another one of the same pitch and voice."""
    pitches = np.array([note.pitch for note in notes])[shown]
    repeats = (shown[1:] >= 0) & (shown[:-1] >= 0) & (shown[1:] != shown[:-1]) & (pitches[1:] == pitches[:-1])
    return int(repeats.sum())


def windows(piece: Piece, settings: MusicSettings) -> Iterator[tuple[int, Items]]:
    """Yield the start and the stored values [steps, voices, 1] of each window that has notes, all within the range."""
    low, high = settings.pitches
    for start in range(0, len(piece.pitches) - settings.steps + 1, settings.hop or settings.steps):
        part = piece.pitches[start : start + settings.steps]
        known = part[part != REST]
        if len(known) and known.min() >= low and known.max() <= high:
            yield start, np.where(part == REST, 0, part - low + 1).astype(np.uint8)[:, :, None]


def pitches_of(values: Items, spec: ItemSpec) -> Int64Array:
    """Return the pitches of stored items [..., steps, voices, 1], [..., steps, voices]; -1 for a rest."""
    symbols = values[..., 0].astype(np.int64)
    return np.where(symbols == 0, REST, symbols - 1 + lowest(spec))


def lowest(spec: ItemSpec) -> int:
    """Return the pitch of symbol 1."""
    value = spec.details.get("lowest", 0)
    assert isinstance(value, int)
    return value


def notes_of(pitches: Int64Array, steps_per_quarter: int) -> list[list[Note]]:
    """Return the notes of each voice of [steps, voices]; equal pitches in a row are one note."""
    ticks = TICKS // steps_per_quarter
    parts = []
    for voice in pitches.T:
        edges = [0, *(np.flatnonzero(np.diff(voice)) + 1).tolist(), len(voice)]
        parts.append(
            [
                Note(int(voice[start]), start * ticks, end * ticks)
                for start, end in pairwise(edges)
                if voice[start] != REST
            ]
        )
    return parts
