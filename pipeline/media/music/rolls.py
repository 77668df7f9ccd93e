"""Tracks on a grid of time steps: piano rolls, in which a track sounds any number of pitches at a time.

A cell is 0 where a pitch is silent, 1 where it is struck and, with `data.onsets`, 2 where it is held. Without onsets
it is 1 where it sounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import BoolArray, Int64Array, Items
from pipeline.items import ItemSpec
from pipeline.media.codec import BadItem
from pipeline.media.music.families import DRUMS, OTHER, family_of, program_of
from pipeline.media.music.form import Form, Placed, has_onsets, lowest
from pipeline.media.music.key import find_shift
from pipeline.media.music.midi import Note, Score
from pipeline.media.music.settings import MusicSettings

OFF, STRUCK, HELD = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Roll(Placed):
    """A file as tracks; see `Placed`. Arrays hold one entry a note, in the order of `first`.

    Attributes:
        first, last: Steps at which notes begin and end, the latter excluded.
        pitch, track: Of each note.
        reach: Largest `last` up to each note, to find the notes of a window.
        steps: Time steps of the file.
    """

    first: Int64Array
    last: Int64Array
    pitch: Int64Array
    track: Int64Array
    reach: Int64Array
    steps: int

    @property
    def length(self) -> int:
        return self.steps

    def window(self, start: int, settings: MusicSettings) -> Items | None:
        low, high = settings.pitches
        chosen = np.arange(
            np.searchsorted(self.reach, start, side="right"), np.searchsorted(self.first, start + settings.steps)
        )
        chosen = chosen[self.last[chosen] > start]
        pitch, track = self.pitch[chosen] - low, self.track[chosen]
        if not len(chosen) or pitch.min() < 0 or pitch.max() > high - low:
            return None
        roll = np.zeros((settings.steps, settings.range, len(settings.track_names)), dtype=settings.dtype)
        first, last = self.first[chosen] - start, self.last[chosen] - start
        for begin, end, row, layer in zip(np.maximum(first, 0), last, pitch, track, strict=True):
            roll[begin:end, row, layer] = HELD if settings.onsets else STRUCK
        # An item begins with new notes.
        roll[np.maximum(first, 0), pitch, track] = STRUCK
        return roll


def place_tracks(score: Score, settings: MusicSettings) -> Roll:
    """Bring a file to the grid: notes begin and end at the nearest step, and last at least one.

    Raises:
        BadItem: It has another number of parts, or no notes of the families in `data.tracks`.
    """
    owners = assign(score, settings)
    notes = [note for _, part in owners for note in part]
    track = np.repeat([number for number, _ in owners], [len(part) for _, part in owners])
    step = score.division / settings.steps_per_quarter
    spans = np.array([[note.start, note.end] for note in notes], dtype=np.float64) / step
    length = max(1, round(score.ticks / step))
    first, last = np.floor(spans + 0.5).astype(np.int64).T
    first = np.minimum(first, length - 1)
    last = np.clip(last, first + 1, length)
    pitch = np.array([note.pitch for note in notes], dtype=np.int64)
    drums = np.isin(track, [number for number, name in enumerate(settings.track_names) if name == DRUMS])
    shift = find_shift(pitch[~drums]) if settings.key == "C" and not drums.all() else 0
    pitch = np.where(drums, pitch, pitch + shift)
    order = np.lexsort((pitch, track, first))
    first, last, pitch, track = first[order], last[order], pitch[order], track[order]
    # Notes of one pitch and track at one step are one note.
    cells = np.stack([track, pitch, first], axis=1)
    places = np.unique(cells, axis=0)
    follows = follow_others(cells, last) if not settings.onsets else 0
    return Roll(
        first=first,
        last=last,
        pitch=pitch,
        track=track,
        reach=np.maximum.accumulate(last),
        steps=length,
        shift=shift,
        lost=1 - len(places) / len(notes),
        merged=follows / len(notes),
    )


def follow_others(cells: Int64Array, last: Int64Array) -> int:
    """Return how many notes begin while or right after another of their track and pitch sounds.

    Args:
        cells: Track, pitch and first step of each note, [n, 3].
        last: Step at which each note ends, excluded.
    """
    order = np.lexsort(cells.T[::-1])
    cells, last = cells[order], last[order]
    same = (cells[1:, :2] == cells[:-1, :2]).all(axis=1) & (cells[1:, 2] > cells[:-1, 2])
    return int((same & (last[:-1] >= cells[1:, 2])).sum())


def assign(score: Score, settings: MusicSettings) -> list[tuple[int, Sequence[Note]]]:
    """Return the parts of a file, each with the number of its track; parts without one are left out."""
    names = settings.track_names
    if isinstance(settings.tracks, int):
        if len(score.parts) != len(names):
            raise BadItem(
                f"has {len(score.parts)} {'part' if len(score.parts) == 1 else 'parts'} with notes, not data.tracks "
                f"{len(names)}; a list of families in data.tracks takes files with any number of parts"
            )
        return list(enumerate(score.parts))
    rest = names.index(OTHER) if OTHER in names else None
    found = [
        (names.index(family) if family in names else rest, part)
        for family, part in zip(map(family_of, score.programs), score.parts, strict=True)
    ]
    if score.drums:
        found.append((names.index(DRUMS) if DRUMS in names else None, score.drums))
    owners = [(number, part) for number, part in found if number is not None]
    if not owners:
        raise BadItem(f"has no notes of the families in data.tracks ({', '.join(names)})")
    return owners


def is_on(values: Items) -> BoolArray:
    """Return where tracks sound."""
    on: BoolArray = values > OFF
    return on


class Tracks(Form):
    """Tracks of several notes at a time: items [steps, pitches, tracks]."""

    def place(self, score: Score, settings: MusicSettings) -> Roll:
        return place_tracks(score, settings)

    def sounding(self, values: Items, spec: ItemSpec) -> BoolArray:
        return np.asarray(is_on(values).any(axis=-2))

    def begins(self, values: Items, spec: ItemSpec) -> BoolArray:
        on = is_on(values)
        begins = on.copy()
        begins[..., 1:, :, :] &= ~on[..., :-1, :, :]
        return begins | (values == STRUCK) if has_onsets(spec) else begins

    def notes(self, values: Items, spec: ItemSpec) -> list[list[Note]]:
        on, begins, low = is_on(values), self.begins(values, spec), lowest(spec)
        # A note lasts until its pitch is silent or begins again.
        stops = np.concatenate([~on | begins, np.ones_like(on[:1])])
        tracks = []
        for track in range(on.shape[-1]):
            part = []
            for start, pitch in np.argwhere(begins[:, :, track]).tolist():
                end = start + 1 + int(stops[start + 1 :, pitch, track].argmax())
                part.append(Note(pitch + low, start, end))
            tracks.append(part)
        return tracks

    def names(self, spec: ItemSpec) -> Sequence[str]:
        names = spec.details["tracks"]
        assert isinstance(names, list)
        return [str(name) for name in names]

    def programs(self, spec: ItemSpec) -> Sequence[int | None]:
        return [0 if name.startswith("track ") else program_of(name) for name in self.names(spec)]


TRACKS = Tracks()
