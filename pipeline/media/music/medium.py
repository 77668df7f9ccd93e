"""Music: the medium's contract, answered for voices on a grid of time steps."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.media.base import BuiltinSource, Medium
from pipeline.media.codec import BadItem, Encoded, Fact, Item
from pipeline.media.music import validation
from pipeline.media.music.settings import MusicSettings

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from PIL import Image

    from pipeline.arrays import Float64Array, Items
    from pipeline.measure import Measure
    from pipeline.media.profiles import Profile
    from pipeline.media.tensors import Tensors
    from pipeline.media.validation import Defect, Expectation

GRAMMAR = "chord-grammar"


class MusicMedium(Medium):
    """Pitches as symbols, uint8 [steps, voices, 1]: 0 is a rest, 1 the lowest pitch of `data.pitches`."""

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
    )
    sources = (GRAMMAR,)
    input = "piece"
    output = "pieces"

    def spec(self, settings: MusicSettings, classes: tuple[str, ...]) -> ItemSpec:
        """Return voices over time steps."""
        details: dict[str, Any] = {
            "lowest": settings.pitches[0],
            "steps_per_quarter": settings.steps_per_quarter,
            "tempo": settings.tempo,
        }
        return ItemSpec(
            medium=self.name,
            height=settings.steps,
            width=settings.voices,
            channels=1,
            symbols=settings.symbols,
            classes=classes,
            details=details | ({"grammar": True} if settings.source == GRAMMAR else {}),
        )

    def extent(self, height: int, width: int) -> str:
        """Return steps and voices."""
        return f"{height} steps and {width} voices"

    def decode(self, data: bytes, settings: MusicSettings) -> Iterator[Item]:
        """Yield the windows of a piece."""
        from pipeline.media.music.grid import place, windows
        from pipeline.media.music.midi import read_score

        score = read_score(data, settings.limits)
        piece = place(score, settings)
        if len(piece.pitches) < settings.steps:
            raise BadItem(f"lasts {len(piece.pitches)} time steps, less than data.steps {settings.steps}")
        empty = True
        for start, values in windows(piece, settings):
            empty = False
            symbols = values[..., 0]
            begins = np.ones_like(symbols, dtype=bool)
            begins[1:] = symbols[1:] != symbols[:-1]
            yield Item(
                values,
                {
                    "start": start,
                    "notes": int((begins & (symbols > 0)).sum()),
                    "rest_share": float((symbols == 0).mean()),
                    "lost_share": piece.lost,
                    "merged_share": piece.merged,
                    "stacked_share": piece.stacked,
                    "hanging": float(score.hanging > 0),
                    "shift": piece.shift,
                    "tempo": score.tempo,
                    "meter": score.meter,
                },
            )
        if empty:
            low, high = settings.pitches
            raise BadItem(
                f"no window of data.steps {settings.steps} has only notes within data.pitches [{low}, {high}]"
            )

    def encode(self, values: Items, spec: ItemSpec, suffix: str | None = None) -> Encoded:
        """Return a MIDI file, or the notes rendered as sound."""
        from pipeline.media.music.grid import notes_of, pitches_of
        from pipeline.media.music.midi import write_score
        from pipeline.media.music.synthesis import render

        suffix = suffix or next(iter(self.formats))
        parts = notes_of(pitches_of(values, spec), steps_per_quarter(spec))
        if suffix == ".wav":
            data = render(parts, tempo(spec))
        else:
            data = write_score(parts, [f"voice {number + 1}" for number in range(len(parts))], tempo(spec))
        return Encoded(data, self.formats[suffix], suffix)

    def join(self, batch: Items, spec: ItemSpec) -> tuple[Items, ItemSpec]:
        """Return the pieces one after another, with a rest of two quarters between them."""
        pause = np.zeros((2 * steps_per_quarter(spec), *batch.shape[2:]), dtype=batch.dtype)
        joined = np.concatenate([part for values in batch for part in (values, pause)][:-1])
        return joined, spec.model_copy(update={"height": len(joined)})

    def preview(self, batch: Items, spec: ItemSpec, columns: int | None = None, cell: int = 64) -> Image.Image:
        """Draw the pieces as piano rolls on one sheet."""
        from pipeline.media.music.grid import lowest, pitches_of
        from pipeline.media.music.piano_roll import draw_sheet

        low = lowest(spec)
        high, quarter = low + spec.symbols - 2, steps_per_quarter(spec)
        return draw_sheet(pitches_of(batch, spec), low, high, columns=columns, cell=cell, quarter=quarter)

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
        """Return the onset rate and the mean interval of each piece."""
        from pipeline.media.music.measures import statistics

        return statistics(values, spec)

    def profiles(self, spec: ItemSpec) -> Sequence[Profile]:
        """Return shares of chords, intervals, crossings, pitch classes and rests."""
        from pipeline.media.music.profiles import profiles

        return profiles(spec)

    def lacks(self, spec: ItemSpec) -> frozenset[str]:
        """Return "grammar" unless the pieces come from the chord grammar."""
        from pipeline.media.music.profiles import lacks

        return lacks(spec)

    def open_source(self, name: str, settings: Any, cache: Path) -> BuiltinSource | None:
        """Open the chord grammar. Raises InputError if the settings do not fit its items."""
        if name != GRAMMAR:
            return None
        from pipeline.media.music.grammar import RANGES, VOICES, ChordGrammar

        low, high = min(low for low, _ in RANGES), max(high for _, high in RANGES)
        fits = settings.pitches[0] <= low and settings.pitches[1] >= high
        if settings.voices != len(VOICES) or settings.steps % 4 or not fits or settings.key != "keep":
            raise InputError(
                f"data.source {GRAMMAR}: its items have {len(VOICES)} voices, four chords of equal length and pitches "
                f"from {low} to {high} in C major; set data.voices: {len(VOICES)}, data.steps to a multiple of 4, "
                f"data.pitches: [{low}, {high}] or wider, and data.key: keep"
            )
        return ChordGrammar(settings.steps, settings.steps_per_quarter)

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


def steps_per_quarter(spec: ItemSpec) -> int:
    """Return the time steps of a quarter note."""
    value = spec.details.get("steps_per_quarter", 1)
    assert isinstance(value, int)
    return value


def tempo(spec: ItemSpec) -> float:
    """Return the quarter notes a minute of files that are written."""
    value = spec.details.get("tempo", 84.0)
    assert isinstance(value, int | float)
    return float(value)
