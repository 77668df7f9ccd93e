"""Statistics and profiles of clips say what a listener would say, in units that are heard."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.arrays import Float32Array, FloatArray, Items
from pipeline.measure import Measurement, Symptom
from pipeline.media.audio import profiles
from pipeline.media.audio.appearance import BAND_LIMITED, CLIPPED, NOISY, SMEARED, WRONG_LOUDNESS
from pipeline.media.audio.medium import AudioMedium
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.sound_file import resample
from pipeline.media.audio.statistics import statistics
from pipeline.media.audio.tones import CLASSES, RATE, draw_tone
from pipeline.media.audio.waves import to_picture

SETTINGS = AudioSettings()
SPEC = AudioMedium().spec(SETTINGS, ())
WAVES = np.stack([draw_tone(name, np.random.default_rng(k)) for k in range(8) for name in ("a3-fading", "rising")])


def pictures(waves: FloatArray) -> Items:
    return to_picture(np.asarray(waves, dtype=np.float32), SETTINGS.codec)


def noisy(waves: Float32Array) -> Float32Array:
    noise = np.random.default_rng(0).standard_normal(waves.shape)
    return np.asarray(waves + 0.01 * noise, dtype=np.float32)


def low(waves: Float32Array) -> Float32Array:
    spectra = np.fft.rfft(waves, axis=1)
    spectra[:, 300:] = 0  # 586 Hz
    return np.asarray(np.fft.irfft(spectra, waves.shape[1], axis=1), dtype=np.float32)


@pytest.mark.parametrize(
    ("change", "ratios"),
    [
        (lambda x: x / 2, {"loudness": (0.49, 0.51), "centroid": (0.99, 1.01), "crest": (0.99, 1.01)}),
        (noisy, {"flatness": (2, 1e6), "treble": (1.01, 100)}),
        (low, {"treble": (0, 0.2), "centroid": (0.5, 0.95)}),
        (lambda x: np.clip(8 * x, -0.9, 0.9), {"loudness": (1.3, 3), "crest": (0.3, 0.9)}),
    ],
)
def test_each_number_answers_to_what_it_is_about(
    change: Callable[[Any], Any], ratios: dict[str, tuple[float, float]]
) -> None:
    real, fake = (statistics(pictures(waves), SPEC) for waves in (WAVES, change(WAVES)))
    for name, (least, most) in ratios.items():
        assert least <= fake[name].mean() / real[name].mean() <= most, name


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda x: x[:, :, ::-1], "backwards"),
        (lambda x: np.roll(x, 3, axis=1), "pitch shifted"),
        (lambda x: np.roll(x, 4, axis=2), "delayed"),
    ],
)
def test_what_was_done_to_all_clips_is_found_and_undone(change: Callable[[Any], Any], name: str) -> None:
    real = pictures(np.stack([draw_tone("a3-fading", np.random.default_rng(k)) for k in range(12)]))
    (profile,) = (one for one in profiles.profiles(SPEC) if one.name == "placement")
    means = [profile.values(items).mean(axis=0).astype(np.float64) for items in (change(real), real)]
    assert profile.change is not None
    found = profile.change(*means)
    assert found is not None
    assert found.name == name
    undone = profile.values(found.undo(change(real))).mean(axis=0)
    assert profiles.distance(undone, means[1]) < 0.5 * profiles.distance(*means)
    assert profile.change(means[1], means[1]) is None
    assert profile.compare(means[1], means[1]) == 0


def test_profiles_are_in_units_that_are_heard() -> None:
    by_name = {one.name: one for one in profiles.profiles(SPEC)}

    def compare(name: str, waves: FloatArray) -> float:
        means = [by_name[name].values(pictures(one)).mean(axis=0).astype(np.float64) for one in (waves, WAVES)]
        return by_name[name].compare(*means)

    assert compare("spectrum", WAVES / 2) < 0.1, "the level is no matter of the spectrum"
    assert 2 < compare("levels", WAVES / 2) < 6, "cells at the floor stay there"
    assert compare("hiss", noisy(WAVES)) > 15
    assert compare("spectrum", low(WAVES)) > 10
    silent = np.where(np.arange(len(WAVES))[:, None] % 4 == 0, 0, WAVES)
    assert compare("silence", silent) == pytest.approx(0.25)
    assert compare("course", np.roll(WAVES, round(0.1 * RATE * 0.512), axis=1)) > 0.05


def found(**values: float) -> dict[str, Measurement]:
    return {name: Measurement(value, 0.0 if name in ("hiss", "spectrum") else 1.0) for name, value in values.items()}


@pytest.mark.parametrize(
    ("symptom", "values", "expected"),
    [
        (NOISY, {"hiss": 20.0, "flatness": 2.0}, True),
        (NOISY, {"hiss": 1.0, "flatness": 2.0}, False),
        (CLIPPED, {"crest": 0.7, "flatness": 1.6, "hiss": 2.0}, True),
        (CLIPPED, {"crest": 0.7, "flatness": 1.6, "hiss": 20.0}, False),
        (CLIPPED, {"crest": 0.7, "loudness": 2.2, "hiss": 7.3}, True),
        (NOISY, {"crest": 0.7, "loudness": 2.2, "hiss": 7.3, "flatness": 1.1}, False),
        (BAND_LIMITED, {"treble": 0.3}, True),
        (BAND_LIMITED, {"treble": 0.6, "near_duplicates": 0.3}, False),
        (WRONG_LOUDNESS, {"loudness": 0.5, "spectrum": 0.2}, True),
        (WRONG_LOUDNESS, {"loudness": 0.5, "spectrum": 9.0}, False),
        (SMEARED, {"texture": 0.6}, True),
        (SMEARED, {"texture": 0.6, "near_duplicates": 0.3}, False),
    ],
)
def test_a_name_needs_its_evidence(symptom: Symptom, values: dict[str, float], expected: bool) -> None:
    assert symptom.when is not None
    assert symptom.when(found(**values)) is expected


def test_noise_is_heard_although_the_classifier_takes_noisy_tones_for_noise() -> None:
    (hiss,) = (one for one in AudioMedium().profiles(SPEC) if one.name == "hiss")
    assert not hiss.weighted


@pytest.mark.parametrize("speed", [1.1, 1.2, 1.3])
def test_clips_that_are_played_too_fast_are_found_and_played_slower(speed: float) -> None:
    waves = np.stack([draw_tone(name, np.random.default_rng(k)) for k in range(6) for name in CLASSES])
    real, fake = pictures(waves), pictures(np.stack([play(wave, speed) for wave in waves]))
    (profile,) = (one for one in profiles.profiles(SPEC) if one.name == "placement")
    means = [profile.values(items).mean(axis=0).astype(np.float64) for items in (fake, real)]
    assert profile.change is not None
    found = profile.change(*means)
    assert found is not None
    assert found.name == "pitch shifted"
    assert float(found.words.split()[1]) == pytest.approx(speed, rel=0.03)
    half = slice(0, SPEC.width // 2)
    undone = profile.values(found.undo(fake)).mean(axis=0)
    before, after = (
        np.abs(one - means[1]).reshape(SPEC.height, SPEC.width)[:, half].mean() for one in (means[0], undone)
    )
    assert after < 0.6 * before


def play(wave: Float32Array, speed: float) -> Float32Array:
    out = np.zeros_like(wave)
    fast = resample(wave, round(1000 * speed), 1000)[: len(wave)]
    out[: len(fast)] = fast
    return out
