"""Voices on a grid of time steps: which pitch each voice sounds at each step.

A rest is -1 among pitches, and symbol 0 in a stored item. Pitch p is symbol p - lowest + 1 where it is struck. With
`data.onsets` it is that plus the number of pitches where it is held.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.arrays import BoolArray, Int64Array, Items
from pipeline.items import ItemSpec
from pipeline.media.codec import BadItem
from pipeline.media.music.form import Form, Placed, has_onsets, lowest, pitch_count
from pipeline.media.music.key import find_shift
from pipeline.media.music.midi import PROGRAM, Note, Score
from pipeline.media.music.settings import MusicSettings

REST = -1
PHASE = 0.125
"""Part of a step after which a note must have begun to belong to it, so that notes played a little late do."""


@dataclass(frozen=True, kw_only=True)
class Piece(Placed):
    """A file as voices; see `Placed`.

    Attributes:
        pitches: [steps, voices]; -1 for a rest.
        struck: Where a note begins, [steps, voices].
    """

    pitches: Int64Array
    struck: BoolArray

    @property
    def length(self) -> int:
        return len(self.pitches)

    def window(self, start: int, settings: MusicSettings) -> Items | None:
        low, high = settings.pitches
        part = self.pitches[start : start + settings.steps]
        known = part[part != REST]
        if not len(known) or known.min() < low or known.max() > high:
            return None
        symbols = np.where(part == REST, 0, part - low + 1)
        if settings.onsets:
            held = (part != REST) & ~self.struck[start : start + settings.steps]
            held[0] = False  # an item begins with new notes
            symbols = symbols + held * settings.range
        return symbols.astype(settings.dtype)[:, :, None]


def place(score: Score, settings: MusicSettings) -> Piece:
    """Bring a file to the grid. Raises BadItem if it has another number of parts than voices."""
    parts = list(score.parts)
    if not parts:
        raise BadItem("has only percussion (channel 10)")
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
    struck = np.ones_like(shown, dtype=bool)
    struck[1:] = shown[1:] != shown[:-1]
    merged = 0 if settings.onsets else count_merged(shown, notes)
    shift = find_shift(grid) if settings.key == "C" else 0
    grid[grid != REST] += shift
    seen = set(shown[shown >= 0].tolist())
    return Piece(
        pitches=grid,
        struck=struck & (shown >= 0),
        shift=shift,
        lost=1 - len(heard) / total,
        merged=merged / total,
        stacked=len(heard - seen) / total,
    )


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


def pitches_of(values: Items, spec: ItemSpec) -> Int64Array:
    """Return the pitches of stored voices [..., steps, voices, 1], [..., steps, voices]; -1 for a rest."""
    symbols, count = values[..., 0].astype(np.int64), pitch_count(spec)
    return np.where(symbols == 0, REST, (symbols - 1) % count + lowest(spec))


def struck_of(values: Items, spec: ItemSpec) -> BoolArray:
    """Return where stored voices strike a note, [..., steps, voices]; nowhere without `data.onsets`."""
    symbols = values[..., 0]
    struck: BoolArray = (symbols > 0) & (symbols <= pitch_count(spec)) & has_onsets(spec)
    return struck


def find_begins(pitches: Int64Array, struck: BoolArray | None = None) -> BoolArray:
    """Return where notes of [..., steps, voices] begin: at another pitch, or where they are struck."""
    begins = np.ones_like(pitches, dtype=bool)
    begins[..., 1:, :] = pitches[..., 1:, :] != pitches[..., :-1, :]
    if struck is not None:
        begins |= struck
    sounding: BoolArray = pitches != REST
    return begins & sounding


def notes_of(pitches: Int64Array, struck: BoolArray | None = None) -> list[list[Note]]:
    """Return the notes of each voice of [steps, voices], in steps; equal pitches in a row are one unless struck."""
    begins = find_begins(pitches, struck)
    parts = []
    for voice, starts in zip(pitches.T, begins.T, strict=True):
        edges = [*np.flatnonzero(starts | (voice == REST)).tolist(), len(voice)]
        parts.append([Note(int(voice[start]), start, end) for start, end in pairwise(edges) if voice[start] != REST])
    return parts


class Voices(Form):
    """Voices that sound one pitch at a time: items [steps, voices, 1]."""

    def place(self, score: Score, settings: MusicSettings) -> Piece:
        return place(score, settings)

    def sounding(self, values: Items, spec: ItemSpec) -> BoolArray:
        sounding: BoolArray = values[..., 0] > 0
        return sounding

    def begins(self, values: Items, spec: ItemSpec) -> BoolArray:
        return find_begins(pitches_of(values, spec), struck_of(values, spec))

    def notes(self, values: Items, spec: ItemSpec) -> list[list[Note]]:
        return notes_of(pitches_of(values, spec), struck_of(values, spec))

    def names(self, spec: ItemSpec) -> Sequence[str]:
        return [f"voice {number + 1}" for number in range(spec.width)]

    def programs(self, spec: ItemSpec) -> Sequence[int | None]:
        return [PROGRAM] * spec.width


VOICES = Voices()
