"""Files for a model that accompanies them: what is read, what is refused, and what the result gets back."""

from typing import Any

import mido  # type: ignore[import-untyped]
import numpy as np
import pytest

from pipeline.media.codec import BadItem
from pipeline.media.music.form import form_of
from pipeline.media.music.midi import read_score
from pipeline.media.music.settings import MusicLimits
from pipeline.media.music.similarities import borrow_accompaniment, chord_agreement
from pipeline.media.registry import MEDIA
from tests.media.music.midi_files import header, held, melody, meters, write

MUSIC: Any = MEDIA["music"]
TUNE = [(60 + pitch, k, k + 1) for k, pitch in enumerate([0, 4, 7, 12, 11, 7, 4, 2, 0, 0])]


def spec_of(**about: Any) -> Any:
    return MUSIC.spec(MUSIC.Settings(**{"source": "x", "steps": 4, "pitches": (36, 80)} | about), ())


def read(data: bytes, spec: Any, largest: int = 10**6) -> Any:
    return MUSIC.decode_one(data, spec, own_size=False, largest=largest)


def test_a_melody_of_any_length_is_the_first_voice() -> None:
    source = read(write(melody(TUNE)), spec_of())
    assert source.values.shape == (10, 4, 1)
    assert (source.values[:, 0, 0] + 35).tolist() == [pitch for pitch, *_ in TUNE]
    assert not source.values[:, 1:].any()
    two = read(write(melody(TUNE), held(48, 10)), spec_of())
    assert (two.values[:, 1, 0] == 13).all()


def test_a_melody_is_the_first_track() -> None:
    source = read(write(melody(TUNE)), spec_of(tracks=["piano", "bass"], onsets=True))
    assert source.values.shape == (10, 45, 2)
    assert source.values[:, :, 0].sum() == 10
    assert not source.values[..., 1].any()
    beat = read(write(melody([(36, 0, 1), (38, 3, 4)], 9)), spec_of(tracks=["drums", "bass"]))
    assert np.argwhere(beat.values).tolist() == [[0, 0, 0], [3, 2, 0]]


def test_a_result_has_the_tempo_and_the_key_of_its_source() -> None:
    tune = melody([(pitch + 2, start, end) for pitch, start, end in TUNE])
    tune.insert(0, mido.MetaMessage("set_tempo", tempo=600_000))
    spec = spec_of(key="C")
    assert spec.details["key"] == "C"
    source = read(write(tune), spec)
    assert source.values[0, 0, 0] + 35 == 60, "transposed to C major"
    file = MUSIC.encode_result(source.values, spec, source)
    score = read_score(file.data, MusicLimits())
    assert [note.pitch for note in score.parts[0]][:2] == [62, 66]
    assert score.tempo == pytest.approx(100)
    assert (file.suffix, MUSIC.encode_result(source.values, spec, source, ".wav").suffix) == (".mid", ".wav")


def test_a_result_has_the_meter_of_its_source_and_says_which_changes_are_lost() -> None:
    spec, waltz = spec_of(), meters((0, "3/4"))
    source = read(write(waltz, melody(TUNE)), spec)
    assert source.losses == ()
    assert read_score(MUSIC.encode_result(source.values, spec, source).data, MusicLimits()).meters == ["3/4"]
    slower = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000, time=at) for at in (0, 480, 480)])
    slower[-1].tempo = 750_000
    changing = read(write(slower, meters((0, "3/4"), (3, "2/4")), melody(TUNE)), spec)
    assert changing.losses == (
        "the tempo stays at its first value, 120 quarter notes a minute",
        "the meter stays 3/4",
    )


@pytest.mark.parametrize(
    ("data", "about", "reason"),
    [
        (b"no music", {}, "not a MIDI file"),
        (header()[:9], {}, "truncated"),
        (write(held(60), held(62), held(64)), {"voices": 2}, r"has 3 parts .* takes at most 2: voice 1, voice 2"),
        (write(held(90)), {}, "outside the range of the model, MIDI pitches 36 to 80"),
        (write(melody([(36, 0, 4)], 9)), {}, "only percussion"),
    ],
)
def test_files_that_do_not_fit_are_refused(data: bytes, about: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadItem, match=reason):
        read(data, spec_of(**about))


def test_long_files_are_refused_before_they_fill_memory() -> None:
    data = write(held(60, 5000))
    assert MUSIC.encoded_size(data) == (5000, 1)
    with pytest.raises(BadItem, match="lasts 5,000 time steps"):
        read(data, spec_of(), largest=10_000)


def test_what_a_file_loses_is_stated() -> None:
    source = read(write(melody([(60, 0, 0.4), (62, 0.4, 0.6), (64, 1, 2)])), spec_of())
    assert source.losses == ("33% of the notes sound at no time step",)


# --- judged by harmony with what is given ---


def voices(*steps: list[int]) -> Any:
    return np.array(steps, dtype=np.uint8)[None, :, :, None]


def test_chords_that_agree() -> None:
    spec = spec_of(voices=2)
    original = voices([25, 29], [27, 1], [0, 0], [25, 25])  # C and E, D and C, a rest, C
    assert chord_agreement(original, original, spec)[0] == 1
    octave = voices([13, 5], [3, 13], [0, 0], [37, 1])
    assert chord_agreement(octave, original, spec)[0] == 1, "pitch classes, not pitches"
    other = voices([25, 30], [27, 0], [0, 4], [26, 26])  # 1 of 3, 1 of 2, 0 of 1, 0 of 2
    assert chord_agreement(other, original, spec)[0] == pytest.approx((1 / 3 + 1 / 2) / 4)
    roll_spec = spec_of(tracks=["piano", "drums"])
    rolls = np.zeros((2, 4, 45, 2), np.uint8)
    rolls[0, :, 24, 0] = rolls[1, :, 12, 0] = rolls[1, :, 7, 1] = 1
    assert chord_agreement(rolls[:1], rolls[1:], roll_spec)[0] == 1, "percussion has no chords"


@pytest.mark.parametrize("tracks", [None, ["piano", "bass", "drums"]])
def test_the_baseline_keeps_what_is_given_and_borrows_the_rest(tracks: Any) -> None:
    spec = spec_of(tracks=tracks, voices=3)
    originals = np.random.default_rng(0).integers(0, spec.symbols, (5, *spec.shape)).astype(np.uint8)
    given = originals.copy()
    silent: Any = (..., slice(1, None)) if tracks else (slice(None), slice(None), slice(1, None))
    given[silent] = 0
    borrowed = borrow_accompaniment(given, originals, spec)
    own = [number for number in range(5) if (borrowed[silent][number] == originals[silent][number]).all()]
    assert len(own) < 3, "most are of another piece"
    pool = {part.tobytes() for part in originals[silent]}
    assert {part.tobytes() for part in borrowed[silent]} == pool, "each piece lends once"
    kept: Any = (..., slice(0, 1)) if tracks else (slice(None), slice(None), slice(0, 1))
    assert (borrowed[kept] == originals[kept]).all()


def test_names_of_forms() -> None:
    assert list(form_of(spec_of()).names(spec_of())) == ["voice 1", "voice 2", "voice 3", "voice 4"]
    assert form_of(spec_of(tracks=["drums", "bass"])).programs(spec_of(tracks=["drums", "bass"])) == [None, 32]
