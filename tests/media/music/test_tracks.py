"""Tracks: piano rolls of several notes at a time, from MIDI to the store and back."""

from typing import Any

import mido  # type: ignore[import-untyped]
import numpy as np
import pytest
import torch

from pipeline.arrays import Items
from pipeline.errors import InputError
from pipeline.media.codec import BadItem, Item
from pipeline.media.music.form import form_of
from pipeline.media.music.midi import Note, read_score
from pipeline.media.music.settings import MusicLimits
from pipeline.media.registry import MEDIA, tensors_of
from pipeline.params import parse_values
from tests.media.music.midi_files import header, melody, write

MUSIC: Any = MEDIA["music"]


def settings(**about: Any) -> Any:
    return MUSIC.Settings(**{"source": "x", "tracks": 1, "steps": 4, "pitches": (36, 80)} | about)


def decode(data: bytes, **about: Any) -> list[Item]:
    return list(MUSIC.decode(data, settings(**about)))


def notes(item: Item, **about: Any) -> list[list[tuple[int, int, int]]]:
    """Return pitch, first step and end of the notes of each track."""
    spec = MUSIC.spec(settings(**about), ())
    parts: list[list[Note]] = form_of(spec).notes(item.values, spec)
    return [sorted((note.pitch, note.start, note.end) for note in part) for part in parts]


def part(program: int, track: Any, channel: int = 0) -> Any:
    track.insert(0, mido.Message("program_change", program=program, channel=channel))
    return track


BAND = write(
    part(33, melody([(36, 0, 4)], 1), 1),
    part(4, melody([(60, 0, 2), (64, 0, 2), (65, 2, 4)], 0)),
    part(73, melody([(72, 1, 3)], 2), 2),
    melody([(36, 0, 0.05), (42, 0, 0.05), (42, 1, 1.05)], 9),
)
"""Bass, piano, flute and drums, whose strokes are shorter than a step."""


def test_families_become_tracks() -> None:
    about = {"tracks": ["drums", "piano", "bass", "other"]}
    (item,) = decode(BAND, **about)
    assert item.values.shape == (4, 45, 4)
    assert notes(item, **about) == [
        [(36, 0, 1), (42, 0, 2)],  # without onsets two strokes in a row are one
        [(60, 0, 2), (64, 0, 2), (65, 2, 4)],
        [(36, 0, 4)],
        [(72, 1, 3)],
    ]
    assert item.facts["merged_share"] == pytest.approx(1 / 8)


def test_onsets_tell_strokes_apart() -> None:
    about = {"tracks": ["drums"], "onsets": True}
    (item,) = decode(BAND, **about)
    assert notes(item, **about) == [[(36, 0, 1), (42, 0, 1), (42, 1, 2)]]
    assert (item.facts["notes"], item.facts["merged_share"]) == (3, 0.0)


def test_parts_in_the_order_of_the_file() -> None:
    (item,) = decode(BAND, tracks=3)
    assert [part[0][0] for part in notes(item, tracks=3)] == [36, 60, 72]


@pytest.mark.parametrize(
    ("data", "about", "reason"),
    [
        (BAND, {"tracks": 2}, "has 3 parts with notes, not data.tracks 2; a list of families"),
        (BAND, {"tracks": ["brass", "organ"]}, r"no notes of the families in data.tracks \(brass, organ\)"),
        (write(melody([(36, 0, 4)], 9)), {"tracks": ["piano", "other"]}, "no notes of the families"),
        (write(melody([(36, 0, 4)], 9)), {"tracks": 1}, "has 0 parts with notes"),
        (write(melody([(90, 0, 4)])), {}, r"only notes within data.pitches \[36, 80\]"),
        (write(melody([(60, 0, 3)])), {}, "lasts 3 time steps, less than data.steps 4"),
        (header(tracks=3), {}, "truncated"),
    ],
)
def test_files_that_do_not_fit_are_refused(data: bytes, about: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadItem, match=reason):
        decode(data, **about)


@pytest.mark.parametrize(
    ("tracks", "words"),
    [
        (["piano", "piano"], "'piano' is named twice"),
        ([], "name at least one family"),
        (["kazoo"], "data.tracks"),
        (0, "data.tracks"),
    ],
)
def test_tracks_that_cannot_be_are_refused(tracks: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_values({"data": {"medium": "music", "tracks": tracks}, "model": {"variant": "vanilla"}})


def random_roll(about: dict[str, Any], seed: int = 0) -> Items:
    """Return tracks of random notes, of which those at step 0 begin there."""
    rng, spec = np.random.default_rng(seed), MUSIC.spec(settings(**about), ())
    on = rng.random(spec.shape) < 0.2
    struck = rng.random(spec.shape) < 0.5
    struck[0] = True
    struck[1:] |= ~on[:-1]
    held = 2 if spec.symbols == 3 else 1
    return np.where(on, np.where(struck, 1, held), 0).astype(np.uint8)


@pytest.mark.parametrize("onsets", [False, True])
@pytest.mark.parametrize("tracks", [["drums", "piano", "bass"], 2])
def test_tracks_survive_a_file(tracks: Any, onsets: bool) -> None:
    about = {"tracks": tracks, "onsets": onsets, "steps": 16, "steps_per_quarter": 4}
    spec, values = MUSIC.spec(settings(**about), ()), random_roll(about)
    (item,) = decode(MUSIC.encode(values, spec).data, **about)
    assert (item.values == values).all()
    assert len(MUSIC.encode(values, spec, ".wav").data) > 44 + 2 * 16_000


@pytest.mark.parametrize("voices", [True, False])
def test_a_held_note_is_not_a_repeated_one(voices: bool) -> None:
    held, repeated = ([(60, 0, 4)], [(60, 0, 1), (60, 1, 2), (60, 2, 4)])
    about: dict[str, Any] = {"voices": 1, "tracks": None} if voices else {"tracks": 1}
    for tune in (held, repeated):
        (item,) = decode(write(melody(tune)), onsets=True, **about)
        assert notes(item, onsets=True, **about) == [tune]
        spec = MUSIC.spec(settings(onsets=True, **about), ())
        assert [
            (note.pitch, note.start, note.end)
            for note in read_score(MUSIC.encode(item.values, spec).data, MusicLimits()).parts[0]
        ] == [(pitch, start * 480, end * 480) for pitch, start, end in tune]
    (blurred,) = decode(write(melody(repeated)), **about)
    assert notes(blurred, **about) == [held]
    assert blurred.facts["merged_share"] == pytest.approx(2 / 3)


def test_a_window_begins_with_new_notes() -> None:
    first, second = decode(write(melody([(60, 0, 8)])), onsets=True)
    assert (first.values == second.values).all()


def test_symbols_of_all_pitches_and_onsets_take_two_bytes() -> None:
    wide = settings(tracks=None, voices=1, pitches=(0, 127), onsets=True)
    assert (wide.symbols, wide.dtype) == (257, "uint16")
    (item,) = MUSIC.decode(write(melody([(127, 0, 4)])), wide)
    assert item.values.ravel().tolist() == [128, 256, 256, 256]
    assert item.values.dtype == np.uint16


def test_transposition_leaves_percussion_alone() -> None:
    tune = [(62, 0, 1), (66, 1, 2), (69, 2, 3), (62, 3, 4)]
    data = write(melody(tune), melody([(38, 0, 1)], 9))
    about = {"tracks": ["piano", "drums"], "key": "C"}
    (item,) = decode(data, **about)
    piano, drums = notes(item, **about)
    assert (item.facts["shift"], drums) == (-2, [(38, 0, 1)])
    assert [pitch for pitch, *_ in piano] == [60, 60, 64, 67]


def test_long_files_are_cut_without_a_grid_of_the_whole() -> None:
    tune = [(60 + k % 12, k, k + 3) for k in range(3000)]
    items = decode(write(melody(tune)))
    assert [item.facts["start"] for item in items[:3]] == [0, 4, 8]
    assert len(items) == 750
    assert notes(items[5])[0][0] == (66, 0, 1)


def test_tracks_are_seen_and_heard() -> None:
    about = {"tracks": ["drums", "piano", "bass"]}
    spec, batch = MUSIC.spec(settings(**about), ()), np.stack([random_roll(about, seed) for seed in range(3)])
    sheet = np.asarray(MUSIC.preview(batch, spec))
    assert len({tuple(colour) for colour in sheet.reshape(-1, 3)} & {(214, 69, 65), (230, 145, 40), (38, 150, 85)}) == 3
    html = MUSIC.html(batch[0], spec)
    assert "data:image/png" in html
    assert "data:audio/wav" in html
    joined, long = MUSIC.join(batch, spec)
    assert joined.shape == (4 * 3 + 2 * 2, 45, 3)
    assert len(MUSIC.encode(joined, long).data) > 100


@pytest.mark.parametrize("onsets", [False, True])
@pytest.mark.parametrize("tracks", [["drums", "piano"], None])
def test_networks_see_tracks_and_onsets(tracks: Any, onsets: bool) -> None:
    spec = MUSIC.spec(settings(tracks=tracks, onsets=onsets, voices=2, steps=8), ("a", "b"))
    rng, tensors = torch.Generator().manual_seed(0), tensors_of(spec)
    batch = torch.randint(0, spec.symbols, (6, *spec.shape), generator=rng, dtype=torch.uint8)
    maps = tensors.to_network(batch)
    assert (tensors.from_network(maps) == batch.numpy()).all()
    assert (MUSIC.from_network(MUSIC.to_network(batch.numpy(), spec), spec) == batch.numpy()).all()
    features = tensors.to_features(batch)
    for network in (tensors.classifier_body(), tensors.random_network()):
        assert network is not None
        found = network.eval()(features)
        assert torch.isfinite(found).all()
        assert found.std(dim=0).max() > 0
    hidden = tensors.distort(features, rng)
    assert hidden.shape == features.shape
    assert hidden.sum() < features.sum()
