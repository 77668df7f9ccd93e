"""The built-in tones are what their class says, by exact rules, also after the way through a picture."""

import numpy as np
import pytest

from pipeline.media.audio.medium import AudioMedium
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.tones import CLASSES, EACH, RATE, Tones, draw_tone, find_pitch, recognise, write_tone
from tests.media.audio.sounds import sine

AUDIO, SETTINGS = AudioMedium(), AudioSettings()


@pytest.mark.parametrize("name", CLASSES)
def test_a_tone_is_what_its_class_says_and_stays_so_through_a_picture(name: str) -> None:
    number = CLASSES.index(name)
    drawn = [draw_tone(name, np.random.default_rng(seed)) for seed in range(8)]
    assert [recognise(wave, RATE) for wave in drawn] == [name] * 8
    pictures = np.stack([next(AUDIO.decode(write_tone(number, index), SETTINGS)).values for index in range(8)])
    heard = AUDIO.waves(pictures, AUDIO.spec(SETTINGS, CLASSES))
    assert [recognise(wave, RATE) for wave in heard] == [name] * 8


def test_the_rules_tell_quarter_tones_apart_and_know_strangers() -> None:
    near, far = ((sine(440 * 2 ** (by / 1200)) * np.linspace(1, 0.2, 4096)).astype(np.float32) for by in (40, 60))
    assert recognise(near, RATE) == "a4-fading"
    assert recognise(far, RATE) == ""
    assert find_pitch(sine(440).astype(np.float32), RATE).frequency == pytest.approx(440, rel=0.005)


def test_noise_without_a_positive_peak_has_no_pitch() -> None:
    noise = np.random.default_rng(2).standard_normal(256).astype(np.float32)
    assert find_pitch(noise, 1000).strength == 0


def test_the_files_are_the_same_at_every_call() -> None:
    names = [name for name, _ in Tones().files()]
    assert len(names) == len(set(names)) == len(CLASSES) * EACH
    assert write_tone(3, 7) == write_tone(3, 7) != write_tone(3, 8)
