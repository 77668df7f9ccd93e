"""Count the events of a MIDI file before it is decoded."""

from typing import NamedTuple

HEADER = 8
LENGTHS = {0xF1: 1, 0xF2: 2, 0xF3: 1}
"""Bytes after the system messages that have some."""
ONE_BYTE = (0xC0, 0xD0)
"""Channel messages with one byte; the others have two."""


class Extent(NamedTuple):
    """How large a file is: its events, and the ticks of its longest track."""

    events: int
    ticks: int


def measure(data: bytes) -> Extent:
    """Return the extent of a file that begins with MThd; what is damaged ends the track that it is in."""
    at = HEADER + int.from_bytes(data[4:8], "big")
    events = ticks = 0
    while at + HEADER <= len(data):
        size = int.from_bytes(data[at + 4 : at + HEADER], "big")
        if data[at : at + 4] == b"MTrk":
            track = measure_track(data[at + HEADER : at + HEADER + size])
            events, ticks = events + track.events, max(ticks, track.ticks)
        at += HEADER + size
    return Extent(events, ticks)


def measure_track(track: bytes) -> Extent:
    """Return the extent of the events of a track."""
    at = events = ticks = 0
    status = 0
    try:
        while at < len(track):
            delta, at = read_number(track, at)
            events, ticks = events + 1, ticks + delta
            if track[at] >= 0x80:
                status, at = track[at] if track[at] < 0xF0 else status, at + 1
                kind = track[at - 1]
            else:
                kind = status
            if kind in (0xF0, 0xF7, 0xFF):
                length, at = read_number(track, at + (kind == 0xFF))
                at += length
            elif kind > 0xF0:
                at += LENGTHS.get(kind, 0)
            else:
                at += 1 if kind & 0xF0 in ONE_BYTE else 2
    except IndexError:
        pass
    return Extent(events, ticks)


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length, and where it ends."""
    value = 0
    while True:
        value = value << 7 | data[at] & 0x7F
        at += 1
        if data[at - 1] < 0x80:
            return value, at
