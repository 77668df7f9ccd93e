"""Music as a medium: files, pictures, sounds and tensors of items, and measures that name what is wrong."""

import functools
import io
import wave
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.arrays import Items
from pipeline.media.music import harmony
from pipeline.media.music.grammar import PROGRESSIONS, compose
from pipeline.media.music.grid import find_begins, pitches_of
from pipeline.media.profiles import Change
from pipeline.media.registry import MEDIA, tensors_of

MUSIC: Any = MEDIA["music"]
SETTINGS: Any = MUSIC.Settings(pitches=(41, 79))
SPEC = MUSIC.spec(SETTINGS, tuple(PROGRESSIONS))


def items(n: int, seed: int = 0) -> Items:
    return composed(n, seed).copy()


@functools.cache
def composed(n: int, seed: int) -> Items:
    rng = np.random.default_rng(seed)
    names = list(PROGRESSIONS)
    pitches = np.stack([compose(names[k % len(names)], 8, rng) for k in range(n)])
    return (pitches - 40).astype(np.uint8)[..., None]


def test_encoded_pieces_decode_to_themselves() -> None:
    batch = items(3)
    batch[0, 2:5, 1] = 0
    for values in batch:
        file = MUSIC.encode(values, SPEC)
        (item,) = MUSIC.decode(file.data, SETTINGS)
        assert (file.suffix, file.mime_type) == (".mid", "audio/midi")
        assert (item.values == values).all()


def test_a_wave_sounds_the_pitches() -> None:
    values = np.zeros((8, 4, 1), np.uint8)
    values[:, 0] = 69 - 40
    with wave.open(io.BytesIO(MUSIC.encode(values, SPEC, ".wav").data)) as file:
        rate, sound = file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert len(sound) / rate == pytest.approx(8 * 60 / 84 + 0.12, abs=0.01)
    loudest = np.abs(np.fft.rfft(sound)).argmax() * rate / len(sound)
    assert loudest == pytest.approx(440, abs=1)
    assert 0.7 < np.abs(sound).max() / 32768 < 0.9


def test_silence_is_silent() -> None:
    silent = np.zeros((8, 4, 1), np.uint8)
    with wave.open(io.BytesIO(MUSIC.encode(silent, SPEC, ".wav").data)) as file:
        assert not np.frombuffer(file.readframes(file.getnframes()), "<i2").any()


def test_a_piano_roll_shows_each_voice_at_its_pitch() -> None:
    values = np.zeros((8, 4, 1), np.uint8)
    values[:, 0], values[:, 3] = 39, 1  # the highest and the lowest pitch
    sheet = np.asarray(MUSIC.preview(values[None], SPEC)).astype(int)
    red, blue = (sheet[y, 12] for y in (5, -6))
    assert red.argmax() == 0
    assert blue.argmax() == 2
    assert np.asarray(MUSIC.preview(items(5), SPEC, columns=5)).shape[1] > 5 * 64


def test_a_person_sees_and_hears_a_piece() -> None:
    html = MUSIC.html(items(1)[0], SPEC)
    assert '<img alt="piano roll" src="data:image/png;base64,' in html
    assert '<audio controls src="data:audio/wav;base64,UklGR' in html


def test_both_ways_to_networks_agree() -> None:
    batch, tensors = items(4), tensors_of(SPEC)
    maps = tensors.to_network(torch.from_numpy(batch))
    assert maps.shape == (4, 40, 8, 4)
    assert (maps.numpy() == MUSIC.to_network(batch, SPEC)).all()
    assert (tensors.from_network(maps) == batch).all()
    assert (MUSIC.from_network(maps.numpy(), SPEC) == batch).all()


@pytest.mark.parametrize("name", ["shift", "distort"])
def test_views_keep_voices_apart(name: str) -> None:
    tensors, batch = tensors_of(SPEC), torch.from_numpy(items(16))
    seen = getattr(tensors, name)(tensors.to_features(batch), torch.Generator().manual_seed(0))
    assert seen.shape == (16, 40, 8, 4)
    for item, view in zip(batch[..., 0], seen, strict=True):
        for voice in range(4):
            sounded = set(view[:, :, voice].amax(1).nonzero().flatten().tolist())
            assert sounded <= set(item[:, voice].tolist())


@pytest.mark.parametrize(("steps", "voices"), [(8, 4), (2, 1), (16, 16)])
def test_networks_take_any_shape(steps: int, voices: int) -> None:
    settings = MUSIC.Settings(source="x", steps=steps, voices=voices)
    tensors = tensors_of(MUSIC.spec(settings, ("a", "b")))
    values = tensors.to_features(torch.randint(0, 50, (3, steps, voices, 1), dtype=torch.uint8))
    for network in (tensors.classifier_body(), tensors.random_network()):
        assert network is not None
        found = network.eval()(values)
        assert found.ndim == 2
        assert torch.isfinite(found).all()


def test_untrained_features_see_voices_of_different_pieces() -> None:
    network = tensors_of(SPEC).random_network()
    assert network is not None
    real, other = items(300), items(300, 1)
    mixed = np.concatenate([np.roll(other[..., v : v + 1, :], 5 * v, axis=0) for v in range(4)], axis=2)
    tensors = tensors_of(SPEC)
    mean = [network(tensors.to_features(torch.from_numpy(batch))).mean(0) for batch in (real, other, mixed)]
    assert (mean[2] - mean[0]).abs().max() > 4 * (mean[1] - mean[0]).abs().max()


# --- what musicians count ---


def test_chords_scales_and_crossings_are_counted() -> None:
    chord, seventh, cluster, single = [67, 64, 60, 48], [65, 62, 59, 43], [62, 61, 60, 48], [60, -1, -1, -1]
    pitches = np.array([[chord, seventh, cluster, single]])
    assert harmony.triads(pitches)[0] == 0.75
    assert harmony.in_scale(pitches)[0] == pytest.approx(12 / 13)
    assert harmony.crossings(np.array([[chord, chord[::-1]]]))[0] == 0.5
    assert harmony.rests(pitches)[0].tolist() == [0, 0.25, 0.25, 0.25]


def test_intervals_and_onsets_are_counted() -> None:
    pitches = np.array([[[60], [60], [62], [-1], [74], [45]]])
    counts = harmony.interval_counts(pitches)[0]
    assert np.flatnonzero(counts).tolist() == [0, 14]  # an octave or more down, and two semitones up
    assert harmony.onset_rate(find_begins(pitches))[0] == 0.6
    assert harmony.mean_interval(pitches)[0] == pytest.approx((2 + 29) / 2)


def change_of(batch: Items) -> Change | None:
    (profile,) = (one for one in MUSIC.profiles(SPEC) if one.change is not None)
    assert profile.change is not None
    means = [profile.values(part).mean(axis=0).astype(np.float64) for part in (batch, items(300, 7))]
    found: Change | None = profile.change(*means)
    return found


@pytest.mark.parametrize("semitones", [-2, 1, 5])
def test_transposed_pieces_are_found_and_undone(semitones: int) -> None:
    settings = MUSIC.Settings(source="x", pitches=(30, 90))
    spec = MUSIC.spec(settings, ())
    real, batch = (items(300, seed).astype(int) + 11 for seed in (7, 0))
    (profile,) = (one for one in MUSIC.profiles(spec) if one.change is not None)
    moved = (batch + semitones).astype(np.uint8)
    means = [profile.values(part).mean(axis=0).astype(np.float64) for part in (moved, real.astype(np.uint8))]
    assert profile.change is not None
    found = profile.change(*means)
    assert found is not None
    assert (found.name, str(abs(semitones)) in found.words) == ("transposed", True)
    assert (found.undo(moved) == batch).all()


def test_swapped_voices_are_found_and_undone() -> None:
    batch = items(300)
    found = change_of(batch[:, :, [1, 0, 2, 3]])
    assert found is not None
    assert found.name == "swapped voices"
    assert (found.undo(batch[:, :, [1, 0, 2, 3]]) == batch).all()


def test_real_pieces_are_not_changed() -> None:
    assert change_of(items(300)) is None


def test_only_pieces_of_the_grammar_are_tested_for_its_rules() -> None:
    other = MUSIC.spec(MUSIC.Settings(source="x"), ())
    assert MUSIC.lacks(other) - MUSIC.lacks(SPEC) == {"grammar"}
    assert {one.name for one in MUSIC.profiles(SPEC)} - {one.name for one in MUSIC.profiles(other)} == {
        "valid_progressions"
    }
    (rules,) = (one for one in MUSIC.profiles(SPEC) if one.name == "valid_progressions")
    assert rules.values(items(4)).ravel().tolist() == [1, 1, 1, 1]
    assert pitches_of(items(1), SPEC).min() >= 41
