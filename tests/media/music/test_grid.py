"""Pieces on the grid: voices, windows, what is lost, and transposition."""

from typing import Any

import numpy as np
import pytest

from pipeline.media.codec import Item
from pipeline.media.music.grid import pitches_of
from pipeline.media.music.key import find_shift
from pipeline.media.registry import MEDIA
from pipeline.params import parse_values
from tests.media.music.midi_files import held, melody, write

MUSIC: Any = MEDIA["music"]


def settings(**about: Any) -> Any:
    return MUSIC.Settings(**{"source": "x", "voices": 1, "steps": 4, "pitches": (40, 80)} | about)


def decode(data: bytes, **about: Any) -> list[Item]:
    return list(MUSIC.decode(data, settings(**about)))


def pitches(item: Item, **about: Any) -> list[list[int]]:
    found: list[list[int]] = pitches_of(item.values, MUSIC.spec(settings(**about), ())).tolist()
    return found


def test_a_step_sounds_what_begins_a_little_late() -> None:
    late = melody([(60, 0.05, 0.98), (62, 1.1, 2), (64, 2, 4)])
    assert pitches(decode(write(late))[0]) == [[60], [62], [64], [64]]


def test_notes_between_two_steps_are_reported_as_lost() -> None:
    item = decode(write(melody([(60, 0, 0.5), (62, 0.5, 1), (64, 1, 4), (65, 4, 5)])))[0]
    assert pitches(item)[:2] == [[60], [64]]
    assert item.facts["lost_share"] == 0.25
    fine = decode(write(melody([(60, 0, 0.5), (62, 0.5, 1), (64, 1, 4)])), steps_per_quarter=2, steps=8)[0]
    assert (fine.values[:3, 0, 0].tolist(), fine.facts["lost_share"]) == ([21, 23, 25], 0.0)


def test_repeated_notes_are_reported_as_merged() -> None:
    item = decode(write(melody([(60, 0, 1), (60, 1, 2), (62, 2, 3), (62, 3, 4)])))[0]
    assert item.facts["merged_share"] == 0.5
    assert item.facts["notes"] == 2


def test_a_rest_is_symbol_0() -> None:
    item = decode(write(melody([(40, 0, 1), (80, 3, 4)])))[0]
    assert item.values[..., 0].tolist() == [[1], [0], [0], [41]]
    assert item.facts["rest_share"] == 0.5


def test_the_highest_note_of_a_voice_sounds_and_the_others_are_reported() -> None:
    item = decode(write(melody([(60, 0, 4), (67, 0, 2), (64, 2, 4)])))[0]
    assert pitches(item) == [[67], [67], [64], [64]]
    assert item.facts["stacked_share"] == pytest.approx(1 / 3)


def test_the_highest_notes_of_all_tracks_become_voices() -> None:
    chords = write(melody([(60, 0, 4), (64, 0, 4)]), held(48, 2))
    about = {"voices": 3, "parts": "pitch"}
    assert pitches(decode(chords, **about)[0], **about) == [[64, 60, 48]] * 2 + [[64, 60, -1]] * 2


def test_windows_follow_each_other_and_those_outside_the_range_are_left_out() -> None:
    piece = write(melody([(60, 0, 4), (90, 4, 8), (62, 8, 12), (62, 12, 13)]))
    assert [item.facts["start"] for item in decode(piece)] == [0, 8]
    assert [item.facts["start"] for item in decode(piece, hop=1)] == [0, 8, 9]


@pytest.mark.parametrize(("root", "mode", "goal"), [(2, "major", 0), (7, "major", 0), (4, "minor", 9), (9, "minor", 9)])
def test_pieces_are_transposed_to_c_or_a(root: int, mode: str, goal: int) -> None:
    scale = (0, 2, 4, 5, 7, 9, 11) if mode == "major" else (0, 2, 3, 5, 7, 8, 10)
    tune = [0, 4, 2, 0, 3, 4, 1, 0, 0]  # degrees; the tonic most
    found = find_shift(np.array([[60 + root + scale[degree]] for degree in tune]))
    assert (root + found) % 12 == goal
    assert -6 <= found <= 5


def test_transposed_pieces_say_by_how_much() -> None:
    tune = [62, 66, 69, 62, 64, 66, 62, 62]
    item = decode(write(melody([(pitch, k, k + 1) for k, pitch in enumerate(tune)])), key="C", steps=8)[0]
    assert item.facts["shift"] == -2
    assert pitches(item)[0] == [60]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("pitches", [60, 60], "must be two MIDI pitches, the lower first"),
        ("steps", 1, "greater than or equal to 2"),
        ("pairs", "folders", "data.pairs: Input should be 'none'"),
    ],
)
def test_settings_that_cannot_be_are_refused(key: str, value: Any, words: str) -> None:
    from pipeline.errors import InputError

    with pytest.raises(InputError, match=words):
        parse_values({"data": {"medium": "music", key: value}, "model": {"variant": "vanilla"}})


def test_networks_of_pictures_are_refused() -> None:
    from pipeline.errors import InputError

    with pytest.raises(InputError, match=r"model.variant r3gan: its networks make values on a scale"):
        parse_values({"data": {"medium": "music"}, "model": {"variant": "r3gan"}, "train": {"flips": False}})
