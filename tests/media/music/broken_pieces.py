"""MIDI files that cannot be used, each with the reason for which it is set aside."""

from pipeline.media.music.settings import MusicSettings
from tests.media.music.midi_files import NOTE, chunk, header, held, write

SOLO = MusicSettings(source="x", voices=1, steps=4, pitches=(40, 80))

BROKEN = {
    "empty": (b"", "is empty"),
    "text": (b"hello, this is no music at all", "not a MIDI file"),
    "WAV": (b"RIFF\x00\x00\x00\x00WAVEfmt ", "not a MIDI file"),
    "header only": (header()[:10], "truncated in its header"),
    "wrong header length": (b"MThd\x00\x00\x00\x02" + header()[8:] + chunk(NOTE), "truncated in its header"),
    "format 2": (header(kind=2) + chunk(NOTE), "format 2"),
    "format 7": (header(kind=7) + chunk(NOTE), "unknown format, 7"),
    "SMPTE": (header(division=0xE728) + chunk(NOTE), "SMPTE"),
    "division 0": (header(division=0) + chunk(NOTE), "division of 0"),
    "no tracks": (header(tracks=0), "no tracks"),
    "65,535 tracks": (header(tracks=65_535) + chunk(NOTE), "announces 65,535 tracks, over data.limits.tracks 256"),
    "missing tracks": (header(tracks=3) + chunk(NOTE), "truncated"),
    "truncated": ((header() + chunk(NOTE * 9))[:-25], "truncated"),
    "no MTrk": (header() + b"XXXX" + chunk(NOTE)[4:], "damaged: no MTrk header"),
    "data without a status": (header() + chunk(b"\x00\x3c\x50"), "damaged: running status"),
    "huge event": (header() + chunk(b"\x00\xff\x01\xff\xff\xff\x7f"), "damaged: Message length"),
    "no notes": (header() + chunk(b""), "no notes"),
    "notes without length": (header() + chunk(b"\x00\x90\x3c\x50\x00\x80\x3c\x00"), "no notes"),
    "percussion only": (header() + chunk(b"\x00\x99\x24\x50\x83\x60\x89\x24\x00"), "only percussion"),
    "tempo 0": (header() + chunk(b"\x00\xff\x51\x03\x00\x00\x00" + NOTE), "tempo of 0"),
    "huge delta time": (header() + chunk(b"\x00\x90\x3c\x50\xff\xff\xff\x7f\x80\x3c\x00"), "559,241 quarter notes"),
    "too short": (header() + chunk(NOTE), "lasts 1 time steps, less than data.steps 4"),
    "other number of parts": (write(held(60), held(64)), "has 2 parts with notes, not data.voices 1"),
    "endless events": (
        header() + chunk(b"\x00\x90\x3c\x50" + b"\x01\x3c\x00\x01\x3c\x50" * 110_000),
        "over data.limits",
    ),
    "delta time without end": (header() + chunk(b"\xff" * 40), "damaged|truncated|no notes|quarter notes"),
    "outside the range": (write(held(90)), r"within data.pitches \[40, 80\]"),
}
