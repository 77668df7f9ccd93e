"""MIDI files for tests, written byte by byte or by mido."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mido  # type: ignore[import-untyped]
import numpy as np

DIVISION = 480


def header(kind: int = 1, tracks: int = 1, division: int = DIVISION) -> bytes:
    """Return the header of a file."""
    return b"MThd\x00\x00\x00\x06" + b"".join(value.to_bytes(2, "big") for value in (kind, tracks, division))


def chunk(events: bytes) -> bytes:
    """Return a track of events, with an event that ends it."""
    data = events + b"\x00\xff\x2f\x00"
    return b"MTrk" + len(data).to_bytes(4, "big") + data


NOTE = b"\x00\x90\x3c\x50\x83\x60\x80\x3c\x00"
"""Middle C for a quarter note."""


def melody(notes: Sequence[tuple[int, float, float]], channel: int = 0, *, zero_velocity: bool = False) -> Any:
    """Return a track of notes (pitch, start, end), in quarter notes."""
    track = mido.MidiTrack()
    events = [(end, 0, pitch) for pitch, _, end in notes] + [(start, 1, pitch) for pitch, start, _ in notes]
    last = 0
    for time, starts, pitch in sorted(events):
        tick = round(time * DIVISION)
        kind = "note_on" if starts or zero_velocity else "note_off"
        velocity = 80 if starts else 0
        track.append(mido.Message(kind, note=pitch, channel=channel, velocity=velocity, time=tick - last))
        last = tick
    return track


def write(*tracks: Any, kind: int = 1, division: int = DIVISION) -> bytes:
    """Return a file of tracks."""
    file = mido.MidiFile(type=kind, ticks_per_beat=division)
    file.tracks.extend(tracks)
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def held(pitch: int, quarters: float = 8) -> Any:
    """Return a track with one long note."""
    return melody([(pitch, 0, quarters)])


def pedal(moves: Sequence[tuple[float, int]], channel: int = 0) -> Any:
    """Return a track that moves the sustain pedal: times in quarter notes, and values."""
    track = mido.MidiTrack()
    last = 0
    for time, value in moves:
        tick = round(time * DIVISION)
        track.append(mido.Message("control_change", control=64, value=value, channel=channel, time=tick - last))
        last = tick
    return track


def meters(*changes: tuple[float, str]) -> Any:
    """Return a track of time signatures, with their times in quarter notes."""
    track = mido.MidiTrack()
    last = 0
    for time, meter in changes:
        beats, unit = map(int, meter.split("/"))
        tick = round(time * DIVISION)
        track.append(mido.MetaMessage("time_signature", numerator=beats, denominator=unit, time=tick - last))
        last = tick
    return track


def write_songs(folder: Path, count: int) -> None:
    """Write files of two tracks: eight notes of a melody, and as many beats of drums."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        tune = [(int(pitch), step, step + 1) for step, pitch in enumerate(rng.integers(48, 72, 8))]
        beat = [(36 + 2 * int(kind), step, step + 0.1) for step, kind in enumerate(rng.integers(0, 4, 8))]
        (folder / f"{number}.mid").write_bytes(write(melody(tune), melody(beat, 9)))
