"""The sustain pedal of MIDI files: notes sound on until it is released."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mido import MidiFile  # type: ignore[import-untyped]

    from pipeline.media.music.midi import Note

SUSTAIN = 64
"""Number of the controller; a pedal is down from half of its range on."""
Spans = Sequence[tuple[int, int]]


def find_pedals(file: "MidiFile", ticks: int) -> Mapping[int, Spans]:
    """Return when the pedal of each channel is down, as ticks at which it goes down and up, in any of the tracks."""
    moves: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for track in file.tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type == "control_change" and message.control == SUSTAIN:
                moves[message.channel].append((now, message.value >= SUSTAIN))
    return {channel: list(spans_of(sorted(each, key=lambda move: move[0]), ticks)) for channel, each in moves.items()}


def spans_of(moves: Sequence[tuple[int, bool]], ticks: int) -> Iterable[tuple[int, int]]:
    """Yield when a pedal is down; one that is never released is until `ticks`."""
    since: int | None = None
    for tick, down in moves:
        if down and since is None:
            since = tick
        elif not down and since is not None:
            yield since, tick
            since = None
    if since is not None:
        yield since, ticks


def sustain(notes: "Sequence[Note]", spans: Spans) -> "list[Note]":
    """Return notes in the order of their starts; those that end while the pedal is down sound on.

    They end when it is released, or when their pitch is struck again.
    """
    downs = [down for down, _ in spans]
    again: dict[int, int] = {}
    held: list[Any] = []
    for note in sorted(notes, key=lambda each: (each.start, each.pitch), reverse=True):
        at = bisect_left(downs, note.end) - 1
        release = spans[at][1] if at >= 0 else note.end
        end = max(note.end, min(release, again.get(note.pitch, release)))
        again[note.pitch] = note.start
        held.append(note if end == note.end else replace(note, end=end))
    return held[::-1]
