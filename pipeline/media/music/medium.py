"""Music: the medium's contract, answered for voices and for tracks on a grid of time steps."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.media.base import BuiltinSource, Medium
from pipeline.media.codec import BadItem, Encoded, Fact, Item, TransformInput
from pipeline.media.music import validation
from pipeline.media.music.form import form_of, lowest, meter, pitch_count, steps_per_quarter, tempo
from pipeline.media.music.settings import MusicLimits, MusicSettings
from pipeline.media.music.similarities import SIMILARITIES
from pipeline.media.restoration import RestorationWords

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from PIL import Image

    from pipeline.arrays import Float64Array, Items
    from pipeline.measure import Measure
    from pipeline.media.music.midi import Note
    from pipeline.media.profiles import Profile
    from pipeline.media.tensors import Tensors
    from pipeline.media.validation import Defect, Expectation

GRAMMAR = "chord-grammar"


class MusicMedium(Medium):
    """Voices [steps, voices, 1], whose symbols are pitches, or tracks [steps, pitches, tracks]; see `Form`."""

    name = "music"
    noun = "piece"
    file_types = "MIDI files (.mid, .midi)"
    example_file = "melody.mid"
    suffixes = frozenset({".mid", ".midi"})
    formats = {".mid": "audio/midi", ".wav": "audio/wav"}  # noqa: RUF012
    Settings = MusicSettings
    Validation = validation.MusicValidation
    facts = (
        Fact("start", "int32"),
        Fact("notes", "int32"),
        Fact("rest_share", "float64"),
        Fact("lost_share", "float64"),
        Fact("merged_share", "float64"),
        Fact("stacked_share", "float64"),
        Fact("hanging", "float64"),
        Fact("shift", "int32"),
        Fact("tempo", "float64"),
        Fact("meter", "string"),
        Fact("pedalled_share", "float64"),
    )
    sources = (GRAMMAR,)
    transforms = True
    lasts = True
    similarities = SIMILARITIES
    restoration = RestorationWords(
        does="accompanies {noun}s of which the first voices or tracks are given, of any length",
        use="Accompanying melodies or chords like those of the training data, for people.",
        risk="Melodies of another style, key or meter get accompaniments that do not fit.",
        invents="nobody composed what it adds.",
        result="accompanied",
        windows="Long pieces are processed in windows, one after another.",
    )
    input = "piece"
    output = "pieces"

    def spec(self, settings: MusicSettings, classes: tuple[str, ...]) -> ItemSpec:
        """Return voices or tracks over time steps."""
        names = settings.track_names
        details: dict[str, Any] = {
            "lowest": settings.pitches[0],
            "steps_per_quarter": settings.steps_per_quarter,
            "tempo": settings.tempo,
        }
        more: dict[str, Any] = {
            "tracks": list(names),
            "onsets": settings.onsets,
            "grammar": settings.source == GRAMMAR,
            "key": settings.key if settings.key != "keep" else "",
            "meter": settings.meter,
        }
        return ItemSpec(
            medium=self.name,
            height=settings.steps,
            width=settings.range if names else settings.voices,
            channels=len(names) or 1,
            dtype=settings.dtype,
            symbols=settings.symbols,
            classes=classes,
            details=details | {key: value for key, value in more.items() if value},
        )

    def extent(self, height: int, width: int) -> str:
        """Return steps, and voices or pitches."""
        return f"{height} steps and {width} voices or pitches"

    def decode(self, data: bytes, settings: MusicSettings) -> Iterator[Item]:
        """Yield the windows of a piece."""
        from pipeline.media.music.midi import check_meter, read_score

        score = read_score(data, settings.limits)
        check_meter(score, settings)
        spec = self.spec(settings, ())
        form = form_of(spec)
        piece = form.place(score, settings)
        if piece.length < settings.steps:
            raise BadItem(f"lasts {piece.length} time steps, less than data.steps {settings.steps}")
        empty = True
        for start in range(0, piece.length - settings.steps + 1, settings.hop or settings.steps):
            values = piece.window(start, settings)
            if values is None:
                continue
            empty = False
            yield Item(
                values,
                {
                    "start": start,
                    "notes": int(form.begins(values, spec).sum()),
                    "rest_share": float(1 - form.sounding(values, spec).mean()),
                    "lost_share": piece.lost,
                    "merged_share": piece.merged,
                    "stacked_share": piece.stacked,
                    "hanging": float(score.hanging > 0),
                    "shift": piece.shift,
                    "tempo": score.tempo,
                    "meter": score.meter,
                    "pedalled_share": score.pedalled_share,
                },
            )
        if empty:
            low, high = settings.pitches
            raise BadItem(
                f"no window of data.steps {settings.steps} has only notes within data.pitches [{low}, {high}]"
            )

    def encode(self, values: Items, spec: ItemSpec, suffix: str | None = None) -> Encoded:
        """Return a MIDI file, or the notes rendered as sound."""
        return self.encode_notes(form_of(spec).notes(values, spec), spec, suffix, tempo(spec), meter(spec))

    def encode_notes(
        self, notes: Sequence[Sequence[Note]], spec: ItemSpec, suffix: str | None, speed: float, signature: str | None
    ) -> Encoded:
        """Return the notes of each voice or track as a file in a meter; `speed` in quarter notes a minute."""
        from pipeline.media.music.midi import in_ticks, write_score
        from pipeline.media.music.synthesis import render

        suffix = suffix or next(iter(self.formats))
        form = form_of(spec)
        parts, programs = in_ticks(notes, steps_per_quarter(spec)), form.programs(spec)
        if suffix == ".wav":
            data = render(parts, speed, [program is None for program in programs])
        else:
            data = write_score(parts, form.names(spec), speed, programs, signature)
        return Encoded(data, self.formats[suffix], suffix)

    def encoded_size(self, data: bytes) -> tuple[int, int]:
        """Return the quarter notes of a file, and 1."""
        from pipeline.media.music.midi import read_score

        score = read_score(data, MusicLimits())
        return max(1, -(-score.ticks // score.division)), 1

    def decode_one(self, data: bytes, spec: ItemSpec, *, own_size: bool, largest: int) -> TransformInput:
        """Decode a file of any length; its parts are the first voices or tracks, the others are silent."""
        from pipeline.media.music.transformation import read_piece

        return read_piece(data, spec, largest)

    def encode_result(
        self,
        values: Items,
        spec: ItemSpec,
        source: TransformInput,
        suffix: str | None = None,
        *,
        quality: int | None = None,
        keeps_colours: bool = False,
    ) -> Encoded:
        """Return the result in the key and meter and at the tempo of its source."""
        from pipeline.media.music.transformation import Origin, undo_shift

        origin = source.properties
        assert isinstance(origin, Origin)
        notes = undo_shift(form_of(spec).notes(values, spec), form_of(spec).names(spec), origin)
        return replace(self.encode_notes(notes, spec, suffix, origin.tempo, origin.meter), losses=source.losses)

    def baseline(self, given: Items, originals: Items, spec: ItemSpec) -> Items:
        """Return pieces with their own given voices or tracks, and those of another piece."""
        from pipeline.media.music.similarities import borrow_accompaniment

        return borrow_accompaniment(given, originals, spec)

    def join(self, batch: Items, spec: ItemSpec) -> tuple[Items, ItemSpec]:
        """Return the pieces one after another, with a rest of two quarters between them."""
        pause = np.zeros((2 * steps_per_quarter(spec), *batch.shape[2:]), dtype=batch.dtype)
        joined = np.concatenate([part for values in batch for part in (values, pause)][:-1])
        return joined, spec.model_copy(update={"height": len(joined)})

    def preview(self, batch: Items, spec: ItemSpec, columns: int | None = None, cell: int = 64) -> Image.Image:
        """Draw the pieces as piano rolls on one sheet."""
        from pipeline.media.music.piano_roll import Ruling, draw_sheet

        low, form = lowest(spec), form_of(spec)
        ruling = Ruling(low, low + pitch_count(spec) - 1, batch.shape[1], steps_per_quarter(spec))
        return draw_sheet([form.notes(values, spec) for values in batch], ruling, columns=columns, cell=cell)

    def html(self, values: Items, spec: ItemSpec) -> str:
        """Return a piano roll with a player; both are part of the element."""
        picture = io.BytesIO()
        self.preview(values[None], spec, cell=128).save(picture, format="PNG")
        sound = self.encode(values, spec, ".wav")
        image, audio = (base64.b64encode(data).decode() for data in (picture.getvalue(), sound.data))
        return (
            f'<span><img alt="piano roll" src="data:image/png;base64,{image}"><br>'
            f'<audio controls src="data:{sound.mime_type};base64,{audio}"></audio></span>'
        )

    def appearance(self) -> Sequence[Measure[Any]]:
        """Return the measures of chords, melodies, registers and rhythm."""
        from pipeline.media.music.measures import MEASURES

        return MEASURES

    def statistics(self, values: Items, spec: ItemSpec) -> Mapping[str, Float64Array]:
        """Return the onset rate of each piece, and of voices the mean interval."""
        from pipeline.media.music.measures import statistics

        return statistics(values, spec)

    def profiles(self, spec: ItemSpec) -> Sequence[Profile]:
        """Return shares of chords, pitch classes and rests, and what only voices or only tracks have."""
        from pipeline.media.music.profiles import profiles

        return profiles(spec)

    def lacks(self, spec: ItemSpec) -> frozenset[str]:
        """Return "voices" or "tracks", and "grammar" unless the pieces come from the chord grammar."""
        from pipeline.media.music.profiles import lacks

        return lacks(spec)

    def open_source(self, name: str, settings: Any, cache: Path) -> BuiltinSource | None:
        """Open the chord grammar. Raises InputError if the settings do not fit its items."""
        if name != GRAMMAR:
            return None
        from pipeline.media.music.grammar import RANGES, VOICES
        from pipeline.media.music.grammar_source import FAMILIES, ChordGrammar

        low, high = min(low for low, _ in RANGES), max(high for _, high in RANGES)
        names, own = settings.track_names, ", ".join(FAMILIES)
        fits = settings.pitches[0] <= low and settings.pitches[1] >= high
        parts = sorted(names) == sorted(FAMILIES) if names else settings.voices == len(VOICES)
        if not parts or settings.steps % 4 or not fits or settings.key != "keep":
            raise InputError(
                f"data.source {GRAMMAR}: its items have {len(VOICES)} voices or the tracks [{own}], four chords of "
                f"equal length and pitches from {low} to {high} in C major; set data.voices: {len(VOICES)} or "
                f"data.tracks: [{own}], data.steps to a multiple of 4, data.pitches: [{low}, {high}] or wider, and "
                "data.key: keep"
            )
        return ChordGrammar(settings)

    def defects(self, items: pd.DataFrame, settings: Any, pairs: str) -> list[Defect]:
        """Return the windows that are mostly rests."""
        return validation.defects(items, settings)

    def expectations(self, items: pd.DataFrame, accepted: pd.DataFrame, settings: Any) -> list[Expectation]:
        """Return the expectations on rests, on what the grid loses, and on notes that do not end."""
        return validation.expectations(items, settings)

    def measurements(self, accepted: pd.DataFrame, pairs: str) -> dict[str, float | None]:
        """Return means over the accepted windows."""
        return validation.measurements(accepted)

    def tensors(self, spec: ItemSpec) -> Tensors:
        """Return the torch part."""
        from pipeline.media.music.tensors import MusicTensors

        return MusicTensors(spec)
