"""The chord grammar as a source of MIDI files, and what its items are as tracks."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from pipeline.arrays import BoolArray, FloatArray, Int64Array, Items
from pipeline.items import ItemSpec
from pipeline.media.music.families import program_of
from pipeline.media.music.form import form_of, lowest
from pipeline.media.music.grammar import PROGRESSIONS, VOICES, classify, compose
from pipeline.media.music.grid import REST, find_begins, notes_of, pitches_of, struck_of
from pipeline.media.music.midi import in_ticks, write_score
from pipeline.media.music.rolls import is_on
from pipeline.media.music.settings import MusicSettings

NAME = "chord-grammar"
"""The value of `data.source`."""

FAMILIES = ("pipe", "piano", "bass")
"""Tracks of an item: the soprano, alto and tenor, and the bass."""

MEMBERS = ((0,), (1, 2), (3,))
"""Voices of each track."""

PIECES = 1000
"""Items of each class."""

SEED = 19
TEMPO = 84.0
CHORDS = 4


def strike(pitches: Int64Array, onsets: bool) -> BoolArray:
    """Return where notes of pitches [..., steps, 4] are struck.

    With onsets the soprano strikes at each step and the other voices at each chord, also if a pitch stays the same.
    """
    struck = np.zeros_like(pitches, dtype=bool)
    if onsets:
        struck[..., 0] = True
        struck[..., :: pitches.shape[-2] // CHORDS, :] = True
    return struck


def valid(items: Items, spec: ItemSpec) -> FloatArray:
    """Return 1 for items [n, H, W, C] that keep all rules of the grammar, else 0, [n].

    With `data.onsets` their notes must also be struck as `strike` says.
    """
    pitches, struck = as_voices(items, spec) if "tracks" in spec.details else (pitches_of(items, spec), None)
    kept = classify(pitches) >= 0
    if spec.details.get("onsets"):
        begins = find_begins(pitches, struck_of(items, spec)) if struck is None else struck
        kept &= (begins == find_begins(pitches, strike(pitches, onsets=True))).all(axis=(1, 2))
    return kept.astype(np.float32)


def as_voices(items: Items, spec: ItemSpec) -> tuple[Int64Array, BoolArray]:
    """Return pitches and beginnings of notes of tracks as those of voices, [n, steps, 4] each.

    A step at which a track has another number of notes than voices is all rests.
    """
    form, on = form_of(spec), is_on(items)
    begins, names = form.begins(items, spec), list(form.names(spec))
    pitches = np.full((*on.shape[:2], len(VOICES)), REST, dtype=np.int64)
    struck = np.zeros_like(pitches, dtype=bool)
    whole = np.ones(on.shape[:2], dtype=bool)
    for family, voices in zip(FAMILIES, MEMBERS, strict=True):
        track = on[..., names.index(family)]
        whole &= track.sum(axis=2) == len(voices)
        # From the highest pitch down, the sounding ones first.
        order = np.argsort(~track[..., ::-1], axis=2, kind="stable")[..., : len(voices)]
        places = track.shape[2] - 1 - order
        pitches[..., list(voices)] = places + lowest(spec)
        struck[..., list(voices)] = np.take_along_axis(begins[..., names.index(family)], places, axis=2)
    return np.where(whole[..., None], pitches, REST), struck & whole[..., None]


class ChordGrammar:
    """MIDI files of random items; the class is the progression."""

    name = NAME

    def __init__(self, settings: MusicSettings) -> None:
        self.settings = settings

    def files(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Yield one file for each item, class by class."""
        for number, progression in enumerate(PROGRESSIONS):
            for piece in range(PIECES):
                yield f"{progression}/{piece:04d}.mid", partial(self.write, progression, (SEED, number, piece))

    def write(self, progression: str, seed: tuple[int, ...]) -> bytes:
        """Return one item as a MIDI file: four parts, or three tracks."""
        settings = self.settings
        pitches = compose(progression, settings.steps, np.random.default_rng(seed))
        parts = in_ticks(notes_of(pitches, strike(pitches, settings.onsets)), settings.steps_per_quarter)
        if not settings.track_names:
            return write_score(parts, VOICES, TEMPO)
        tracks = [[note for voice in voices for note in parts[voice]] for voices in MEMBERS]
        programs: Sequence[int | None] = [program_of(family) for family in FAMILIES]
        return write_score(tracks, FAMILIES, TEMPO, programs)
