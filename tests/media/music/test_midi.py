"""MIDI files: every kind of broken file is refused with its reason, and odd ones are read as players play them."""

import io
from typing import Any

import mido  # type: ignore[import-untyped]
import pytest

from pipeline.errors import InputError
from pipeline.media.codec import BadItem
from pipeline.media.music.midi import Note, read_score, write_score
from pipeline.media.music.midi_scan import measure
from pipeline.media.music.settings import MusicLimits
from pipeline.media.registry import MEDIA
from tests.media.music.broken_pieces import BROKEN, SOLO
from tests.media.music.midi_files import DIVISION, NOTE, chunk, header, held, melody, meters, pedal, write


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_are_refused_with_the_reason(kind: str) -> None:
    data, reason = BROKEN[kind]
    with pytest.raises(BadItem, match=reason):
        list(MEDIA["music"].decode(data, SOLO))


def test_events_are_limited() -> None:
    limits = MusicLimits(events=3)
    with pytest.raises(BadItem, match=r"has \d+ events, over data.limits.events 3"):
        read_score(write(melody([(60, 0, 1), (62, 1, 2)])), limits)


@pytest.mark.parametrize("name", ["huge delta time", "65,535 tracks", "endless events", "SMPTE", "format 2"])
def test_limits_act_before_a_file_is_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, reason = BROKEN[name]
    monkeypatch.setattr(mido, "MidiFile", lambda *_, **__: pytest.fail("was decoded"))
    with pytest.raises(BadItem, match=reason):
        list(MEDIA["music"].decode(data, SOLO))


def test_events_and_ticks_are_counted_as_the_decoder_counts_them() -> None:
    odd = chunk(
        b"\x00\xff\x03\x02hi\x00\xf0\x03\x01\x02\xf7\x10\xc0\x05\x00\x06\x83\x60\xb0\x40\x7f"
        + NOTE
        + b"\x00\xe0\x00\x40"
    )
    data = header(tracks=2) + odd + b"XFIH\x00\x00\x00\x02ab" + chunk(NOTE * 3)
    score = mido.MidiFile(file=io.BytesIO(header(tracks=2) + odd + chunk(NOTE * 3)))
    assert measure(data) == (
        sum(map(len, score.tracks)),
        max(sum(message.time for message in track) for track in score.tracks),
    )
    assert measure(data[:-30]).events < measure(data).events


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


@pytest.mark.parametrize("division", [24, 96, 480, 1000])
def test_the_division_of_the_header_counts(division: int) -> None:
    track = melody([(60, 0, 1), (64, 1, 3), (62, 3, 4)])
    for message in track:
        message.time = message.time * division // DIVISION
    (item,) = MEDIA["music"].decode(write(track, division=division), SOLO)
    assert item.values.ravel().tolist() == [21, 25, 25, 23]


def test_a_second_end_of_a_note_is_ignored() -> None:
    doubled = b"\x00\x90\x3c\x50\x60\x80\x3c\x00\x00\x80\x3c\x00\x60\x80\x3c\x00\x60\x90\x3c\x50\x60\x80\x3c\x00"
    score = read_score(header() + chunk(doubled), MusicLimits())
    assert [(note.start, note.end) for note in score.parts[0]] == [(0, 96), (288, 384)]


# --- the sustain pedal ---


def test_pedalled_notes_sound_until_the_pedal_rises_or_their_pitch_begins_again() -> None:
    notes_held = [(60, 0, 0.5), (64, 1, 1.5), (60, 2, 2.5), (67, 4, 5)]
    score = read_score(write(melody(notes_held), pedal([(0.25, 127), (3, 0), (6, 100), (7, 0)])), MusicLimits())
    assert [(note.pitch, note.start / DIVISION, note.end / DIVISION) for note in score.parts[0]] == [
        (60, 0, 2),
        (64, 1, 3),
        (60, 2, 3),
        (67, 4, 5),
    ]
    assert (score.pedalled, score.pedalled_share) == (3, 0.75)


def test_a_pedal_of_another_channel_or_less_than_half_changes_nothing() -> None:
    tune = melody([(60, 0, 1), (62, 1, 2)])
    for other in (pedal([(0, 127)], channel=3), pedal([(0, 63)])):
        score = read_score(write(tune, other), MusicLimits())
        assert (score.pedalled, [note.end for note in score.parts[0]]) == (0, [480, 960])


def test_a_pedal_that_never_rises_ends_with_the_file() -> None:
    score = read_score(write(melody([(60, 0, 1), (62, 1, 2)]), pedal([(0, 127)]), held(40, 3)), MusicLimits())
    assert [note.end / DIVISION for note in score.parts[0]] == [3, 3]


# --- meters ---


def test_pieces_in_another_meter_are_set_aside_and_written_ones_state_it() -> None:
    music: Any = MEDIA["music"]
    waltz = music.Settings(source="x", voices=1, steps=6, pitches=(40, 80), meter="3/4")
    (item,) = music.decode(write(meters((0, "3/4")), held(60, 6)), waltz)
    file = music.encode(item.values, music.spec(waltz, ()))
    assert read_score(file.data, MusicLimits()).meters == ["3/4"]
    for track, words in (
        (meters((0, "6/8")), "is in 6/8, and data.meter is 3/4"),
        (meters(), "is in 4/4, and data.meter is 3/4"),
        (meters((0, "3/4"), (3, "2/4")), "changes its meter .3/4, then 2/4., and data.meter is 3/4"),
    ):
        with pytest.raises(BadItem, match=words):
            list(music.decode(write(track, held(60, 6)), waltz))


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"steps": 8}, "a bar has 3 steps; set steps to a multiple of it"),
        ({"steps": 6, "hop": 2}, "a bar has 3 steps; set hop to a multiple of it"),
        ({"meter": "3/8", "steps": 6}, r"a bar has 1\.5 steps; raise steps_per_quarter"),
        ({"meter": "three", "steps": 6}, "meter"),
    ],
)
def test_windows_begin_with_bars(about: dict[str, object], words: str) -> None:
    from pipeline.params import parse_values

    with pytest.raises(InputError, match=words):
        parse_values({"data": {"medium": "music", "meter": "3/4"} | about, "model": {"variant": "musegan"}})


def test_written_notes_are_read_again_with_one_channel_a_part() -> None:
    parts = [[Note(60, 0, 480), Note(62, 480, 960)], [Note(48, 0, 960)]] + [[Note(40 + k, 0, 480)] for k in range(10)]
    data = write_score(parts, [f"voice {k}" for k in range(12)], 90)
    score = read_score(data, MusicLimits())
    assert (score.parts, round(score.tempo), score.division) == (parts, 90, 480)
    assert not score.drums
