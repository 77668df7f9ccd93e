"""The two forms of an item of music: voices that sound one pitch at a time, and tracks of several notes at a time."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.items import ItemSpec

if TYPE_CHECKING:
    from pipeline.arrays import BoolArray, Items
    from pipeline.media.music.midi import Note, Score
    from pipeline.media.music.settings import MusicSettings


@dataclass(frozen=True, kw_only=True)
class Placed(ABC):
    """A file on the grid.

    Attributes:
        shift: Semitones by which it was transposed.
        lost: Share of the notes that the grid does not show.
        merged: Share of the notes that follow one of the same pitch, and become one note with it.
        stacked: Share of the notes that another note of their voice hides.
    """

    shift: int
    lost: float
    merged: float
    stacked: float = 0.0

    @property
    @abstractmethod
    def length(self) -> int:
        """Time steps."""

    @abstractmethod
    def window(self, start: int, settings: "MusicSettings") -> "Items | None":
        """Return the stored values [H, W, C] of the window from a step on; None if it is empty, or out of range."""


class Form(ABC):
    """How notes are stored. Axes before the last three are free: items [..., H, W, C]."""

    @abstractmethod
    def place(self, score: "Score", settings: "MusicSettings") -> Placed:
        """Bring a file to the grid. Raises BadItem if its parts do not fit the settings."""

    @abstractmethod
    def sounding(self, values: "Items", spec: ItemSpec) -> "BoolArray":
        """Return whether each voice or track sounds at each step, [..., steps, parts]."""

    @abstractmethod
    def begins(self, values: "Items", spec: ItemSpec) -> "BoolArray":
        """Return where a note begins: voices [..., steps, voices], tracks [..., steps, pitches, tracks]."""

    @abstractmethod
    def notes(self, values: "Items", spec: ItemSpec) -> "list[list[Note]]":
        """Return the notes of each voice or track of one item, in time steps."""

    @abstractmethod
    def names(self, spec: ItemSpec) -> Sequence[str]:
        """Return the names of the voices or tracks."""

    @abstractmethod
    def programs(self, spec: ItemSpec) -> Sequence[int | None]:
        """Return the General MIDI instrument of each, None for percussion."""


def form_of(spec: ItemSpec) -> Form:
    """Return the form of the items of a spec."""
    from pipeline.media.music.grid import VOICES
    from pipeline.media.music.rolls import TRACKS

    return TRACKS if "tracks" in spec.details else VOICES


def lowest(spec: ItemSpec) -> int:
    """Return the lowest pitch of an item."""
    value = spec.details.get("lowest", 0)
    assert isinstance(value, int)
    return value


def has_onsets(spec: ItemSpec) -> bool:
    """Return whether struck and held notes are different symbols."""
    return bool(spec.details.get("onsets"))


def pitch_count(spec: ItemSpec) -> int:
    """Return the number of pitches of an item."""
    if "tracks" in spec.details:
        return spec.width
    return (spec.symbols - 1) // (2 if has_onsets(spec) else 1)


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


def meter(spec: ItemSpec) -> str | None:
    """Return the meter of the items, such as "3/4"; None if it is not known."""
    value = spec.details.get("meter")
    return None if value is None else str(value)
