"""Settings of `data:` for music."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.items import DataLayout, Dtype
from pipeline.media.music.families import Family
from pipeline.media.settings import DataSettings, Limits

METER = r"^[1-9][0-9]?/(1|2|4|8|16|32)$"
Pitch = Annotated[int, Field(ge=0, le=127)]


def bar_steps(meter: str | None, steps_per_quarter: int) -> float:
    """Return the time steps of a bar; of 4/4 if the meter is not known."""
    beats, unit = map(int, (meter or "4/4").split("/"))
    return 4 * beats / unit * steps_per_quarter


class MusicLimits(Limits):
    """The largest MIDI file that is accepted."""

    bytes: int = Field(2**20, ge=1, description="size of one encoded file")
    tracks: int = Field(256, ge=1, le=65_535, description="tracks that the header of a file may announce")
    events: int = Field(200_000, ge=1, description="events of all tracks")
    quarters: float = Field(20_000.0, gt=0, description="duration in quarter notes")


class MusicSettings(DataSettings):
    """How pieces are brought to voices on a grid, and cut into windows."""

    medium: Literal["music"] = Field("music", description="what one item is")
    source: str = Field(
        "chord-grammar",
        min_length=1,
        description="chord-grammar | a folder | a .zip or .tar(.gz) | s3://...",
    )
    voices: int = Field(4, ge=1, le=16, description="voices of an item; each sounds one pitch at a time")
    parts: Literal["tracks", "pitch"] = Field(
        "tracks",
        description="where voices come from. tracks: each track (or channel of a track) with notes is one voice, in "
        "the order of the file; pitch: the highest notes of all tracks at each step, for piano and ensembles",
    )
    tracks: Annotated[int, Field(ge=1, le=16)] | tuple[Family, ...] | None = Field(
        None,
        description="piano rolls of tracks that sound several notes at a time, instead of voices. A number: so many "
        "tracks, in the order of the file; a list of General MIDI families such as [drums, piano, bass, other], where "
        "other takes all families that are not named; null: voices",
    )
    onsets: bool = Field(
        False,
        description="tell a note that is struck again from one that is held, by symbols of their own; false: repeated "
        "notes become one long note",
    )
    steps: int = Field(8, ge=2, le=1024, description="time steps of an item")
    steps_per_quarter: int = Field(1, ge=1, le=24, description="time steps of a quarter note")
    meter: Annotated[str, Field(pattern=METER)] | None = Field(
        None,
        description="meter of the pieces, such as 3/4: files in another one, or that change it, are set aside, windows "
        "begin with a bar, and files that are written state it; null: any",
    )
    hop: int | None = Field(
        None, ge=1, description="steps between the starts of two windows of a piece; null: windows do not overlap"
    )
    pitches: tuple[Pitch, Pitch] = Field(
        (36, 84), description="lowest and highest MIDI pitch (60 is middle C); windows with other notes are left out"
    )
    key: Literal["keep", "C"] = Field(
        "keep", description="C: transpose every piece to C major or A minor, whichever its notes fit best"
    )
    tempo: float = Field(84.0, ge=10, le=400, description="quarter notes a minute of the files that are written")
    pairs: Literal["none"] = Field("none", description="how pairs A and B are formed: none")
    limits: MusicLimits = Field(MusicLimits(), description="largest input that is accepted")

    @model_validator(mode="after")
    def check_music(self) -> "MusicSettings":
        if self.pitches[0] >= self.pitches[1]:
            raise ValueError(f"pitches {list(self.pitches)}: must be two MIDI pitches, the lower first")
        if self.meter is not None and (self.bar % 1 or (self.hop or self.steps) % self.bar):
            multiple = f"set {'hop' if self.hop else 'steps'} to a multiple of it, so that windows begin with bars"
            raise ValueError(
                f"meter {self.meter} at steps_per_quarter {self.steps_per_quarter}: a bar has {self.bar:g} steps; "
                + ("raise steps_per_quarter until they are whole" if self.bar % 1 else multiple)
            )
        if isinstance(self.tracks, tuple):
            if not self.tracks:
                raise ValueError("tracks []: name at least one family, or set tracks: null for voices")
            twice = next((name for name in self.tracks if self.tracks.count(name) > 1), None)
            if twice:
                raise ValueError(f"tracks: {twice!r} is named twice")
        return self

    @property
    def track_names(self) -> tuple[str, ...]:
        """Names of the tracks; empty for voices."""
        if isinstance(self.tracks, int):
            return tuple(f"track {number + 1}" for number in range(self.tracks))
        return self.tracks or ()

    @property
    def bar(self) -> float:
        """Time steps of a bar; in 4/4 if the meter is not stated."""
        return bar_steps(self.meter, self.steps_per_quarter)

    @property
    def range(self) -> int:
        """Number of pitches."""
        return self.pitches[1] - self.pitches[0] + 1

    @property
    def symbols(self) -> int:
        """Number of symbols. Voices: a rest, and each pitch struck or held; tracks: off, and struck or held."""
        kinds = 2 if self.onsets else 1
        return 1 + kinds * (1 if self.track_names else self.range)

    @property
    def dtype(self) -> Dtype:
        """Of a stored symbol."""
        return "uint8" if self.symbols <= 256 else "uint16"

    def layout(self) -> DataLayout:
        width = self.range if self.track_names else self.voices
        return DataLayout(height=self.steps, width=width, classes=self.classes, symbols=self.symbols, dtype=self.dtype)
