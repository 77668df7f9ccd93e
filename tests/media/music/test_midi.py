"""MIDI files: every kind of broken file is refused with its reason, and odd ones are read as players play them."""

import mido  # type: ignore[import-untyped]
import pytest

from pipeline.media.codec import BadItem
from pipeline.media.music.midi import Note, read_score, write_score
from pipeline.media.music.settings import MusicLimits, MusicSettings
from pipeline.media.registry import MEDIA
from tests.media.music.midi_files import NOTE, chunk, header, held, melody, write

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
    "outside the range": (write(held(90)), r"within data.pitches \[40, 80\]"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_are_refused_with_the_reason(kind: str) -> None:
    data, reason = BROKEN[kind]
    with pytest.raises(BadItem, match=reason):
        list(MEDIA["music"].decode(data, SOLO))


def test_events_are_limited() -> None:
    limits = MusicLimits(events=3)
    with pytest.raises(BadItem, match=r"has \d+ events, over data.limits.events 3"):
        read_score(write(melody([(60, 0, 1), (62, 1, 2)])), limits)


def test_a_fine_resolution_is_not_a_long_piece() -> None:
    score = read_score(write(melody([(60, 0, 8)]), division=32_767), MusicLimits())
    assert score.division == 32_767


def notes(*tracks: mido.MidiTrack, kind: int = 1) -> list[list[tuple[int, int, int]]]:
    score = read_score(write(*tracks, kind=kind), MusicLimits())
    return [[(note.pitch, note.start, note.end) for note in part] for part in score.parts]


def test_a_note_on_without_velocity_ends_the_note() -> None:
    assert notes(melody([(60, 0, 1), (62, 1, 2)], zero_velocity=True)) == [[(60, 0, 480), (62, 480, 960)]]


def test_hanging_notes_end_with_their_track_and_are_counted() -> None:
    data = header() + chunk(b"\x00\x90\x3c\x50" + NOTE[:4].replace(b"\x3c", b"\x40") + b"\x83\x60\x80\x40\x00")
    score = read_score(data, MusicLimits())
    assert score.hanging == 1
    assert [(note.pitch, note.end) for note in score.parts[0]] == [(60, 480), (64, 480)]


def test_overlapping_notes_of_one_pitch_are_cut() -> None:
    events = b"\x00\x90\x3c\x50\x60\x90\x3c\x50\x60\x80\x3c\x00\x60\x80\x3c\x00"
    score = read_score(header() + chunk(events), MusicLimits())
    assert (score.overlapping, [(note.start, note.end) for note in score.parts[0]]) == (1, [(0, 96), (96, 192)])


def test_running_status_survives_a_text_event() -> None:
    events = b"\x00\x90\x3c\x50\x60\xff\x01\x02hi\x00\x3c\x00\x00\x40\x50\x60\x40\x00"
    score = read_score(header() + chunk(events), MusicLimits())
    assert [(note.pitch, note.start, note.end) for note in score.parts[0]] == [(60, 0, 96), (64, 96, 192)]


def test_parts_are_channels_of_tracks_and_percussion_is_left_out() -> None:
    merged = mido.merge_tracks([melody([(60, 0, 1)], 0), melody([(64, 0, 1)], 3), melody([(36, 0, 1)], 9)])
    score = read_score(write(merged, kind=0), MusicLimits())
    assert [[note.pitch for note in part] for part in score.parts] == [[60], [64]]
    assert [note.pitch for note in score.drums] == [36]


def test_tempo_and_meter_come_from_any_track() -> None:
    late = mido.MidiTrack(
        [mido.MetaMessage("set_tempo", tempo=1_000_000), mido.MetaMessage("time_signature", numerator=3, denominator=8)]
    )
    score = read_score(write(held(60), late), MusicLimits())
    assert (score.tempo, score.meter) == (60.0, "3/8")


def test_written_notes_are_read_again_with_one_channel_a_part() -> None:
    parts = [[Note(60, 0, 480), Note(62, 480, 960)], [Note(48, 0, 960)]] + [[Note(40 + k, 0, 480)] for k in range(10)]
    data = write_score(parts, [f"voice {k}" for k in range(12)], 90)
    score = read_score(data, MusicLimits())
    assert (score.parts, round(score.tempo), score.division) == (parts, 90, 480)
    assert not score.drums
