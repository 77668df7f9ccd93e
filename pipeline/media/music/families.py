"""Instrument families of General MIDI, eight programs each (MIDI 1.0, General MIDI Level 1, sound set)."""

from typing import Literal, get_args

Family = Literal[
    "piano",
    "chromatic percussion",
    "organ",
    "guitar",
    "bass",
    "strings",
    "ensemble",
    "brass",
    "reed",
    "pipe",
    "synth lead",
    "synth pad",
    "synth effects",
    "ethnic",
    "percussive",
    "sound effects",
    "drums",
    "other",
]
"""Families in the order of their programs; then the percussion channel, and all families that are not named."""

FAMILIES: tuple[str, ...] = get_args(Family)
SIZE = 8
DRUMS, OTHER = "drums", "other"
FIRST_PIANO = 0


def family_of(program: int) -> str:
    """Return the family of a program, 0 to 127."""
    return FAMILIES[program // SIZE]


def program_of(family: str) -> int | None:
    """Return the first program of a family, for files that are written; None for the percussion channel."""
    if family == DRUMS:
        return None
    return FIRST_PIANO if family == OTHER else FAMILIES.index(family) * SIZE
