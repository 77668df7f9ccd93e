"""Files of every format and depth are read rightly; files that cannot be used are refused with the reason."""

import re

import numpy as np
import pytest
import soundfile

from pipeline.media.audio.cuts import cut_waves
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.sound_file import read_recording, resample
from pipeline.media.codec import BadItem
from tests.media.audio.broken_sounds import BAD, LIMITS, TONE, WAV, header
from tests.media.audio.sounds import sine, sound


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "PCM_U8"),
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "PCM_32"),
        ("WAV", "FLOAT"),
        ("WAV", "DOUBLE"),
        ("WAV", "ULAW"),
        ("WAVEX", "PCM_24"),
        ("RF64", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("AIFF", "PCM_24"),
        ("AU", "PCM_16"),
        ("CAF", "PCM_16"),
        ("W64", "PCM_16"),
        ("FLAC", "PCM_24"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", None),
    ],
)
def test_one_sine_has_one_level_in_every_format_and_depth(kind: str, subtype: str | None) -> None:
    found = read_recording(sound(sine(440, seconds=1), 8000, kind, subtype), LIMITS)
    middle = found.wave[found.rate // 4 : -found.rate // 4]
    assert found.rate == 8000
    assert abs(float(np.sqrt(np.mean(middle**2))) - 0.5 / np.sqrt(2)) < 0.02
    assert abs(float(found.wave.mean())) < 0.01, "8-bit samples are unsigned"
    assert abs(found.seconds - 1) < 0.15


def test_big_endian_files_are_read() -> None:
    found = read_recording(sound(TONE, 8000, "WAV", "PCM_16", "BIG"), LIMITS)
    assert np.abs(found.wave - TONE).max() < 1e-3


@pytest.mark.parametrize("name", BAD)
def test_files_that_cannot_be_used_are_refused_with_the_reason(name: str) -> None:
    make, reason = BAD[name]
    with pytest.raises(BadItem) as caught:
        read_recording(make(), LIMITS)
    assert re.search(reason, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_stream_whose_header_states_no_length_is_read_to_its_end(size: int) -> None:
    found = read_recording(header(header(WAV, 40, size), 4, size), LIMITS)
    assert abs(len(found.wave) - 4096) < 8


def test_channels_are_mixed_and_not_mistaken_for_time() -> None:
    left, right = sine(440), sine(440, level=0.25)
    found = read_recording(sound(np.stack([left, right], axis=1), subtype="FLOAT"), LIMITS)
    assert (found.channels, len(found.wave)) == (2, 4096)
    assert np.abs(found.wave - (left + right) / 2).max() < 1e-6


def test_resampling_filters_what_the_new_rate_cannot_hold() -> None:
    high, low = (sine(hertz, 48_000, 1).astype(np.float32) for hertz in (6000, 440))
    assert np.abs(resample(high, 48_000, 8000)[800:-800]).max() < 1e-3
    found = resample(low, 48_000, 8000)
    assert abs(len(found) - 8000) <= 1
    assert abs(float(np.abs(found[800:-800]).max()) - 0.5) < 0.01


@pytest.mark.parametrize(("kind", "subtype"), [("FLAC", None), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)])
def test_the_delay_of_encoders_is_removed(kind: str, subtype: str | None) -> None:
    rate = 24_000
    pulse = np.zeros(rate)
    pulse[5000:5200] = 0.9 * np.hanning(200)
    found = read_recording(sound(pulse, rate, kind, subtype), LIMITS)
    assert found.rate == rate
    assert len(found.wave) == rate
    assert abs(int(np.abs(found.wave).argmax()) - 5100) <= 3


def test_resampling_invents_no_high_frequencies() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    power = np.abs(np.fft.rfft(resample(noise, 8000, 16_000) * np.hanning(16_000))) ** 2
    assert power[4050:].sum() < 1e-8 * power.sum()


def test_cuts_are_those_of_the_recording_resampled_as_a_whole() -> None:
    wave = sine(440, 11_025, 1.6) + sine(700, 11_025, 1.6, 0.2)
    recording = read_recording(sound(wave, 11_025, subtype="FLOAT"), LIMITS)
    settings = AudioSettings(peak=None)
    parts = np.concatenate([part for part, _ in cut_waves(recording, settings)])
    whole = resample(recording.wave - recording.wave.mean(dtype=np.float64).astype(np.float32), 11_025, 8000)
    inside = np.arange(len(parts)) % settings.codec.samples
    steady = (inside > 50) & (inside < settings.codec.samples - 50)
    assert np.abs(parts - whole[: len(parts)])[steady].max() < 1e-6


@pytest.mark.parametrize("name", ["64 channels", "too long", "too many samples", "rate of 12 Hz"])
def test_limits_act_before_anything_is_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, reason = BAD[name]
    data = make()
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_, **__: pytest.fail("was decoded"))
    with pytest.raises(BadItem, match=reason):
        read_recording(data, LIMITS)


def test_a_length_that_the_header_hides_is_limited_while_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of FLAC states no length: bits 108 to 143 of its first block are 0."""
    data = bytearray(sound(sine(440, seconds=40), kind="FLAC"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    blocks: list[int] = []
    read = soundfile.SoundFile.read

    def count(self: soundfile.SoundFile, frames: int, **about: object) -> object:
        blocks.append(frames)
        return read(self, frames, **about)

    monkeypatch.setattr(soundfile.SoundFile, "read", count)
    with pytest.raises(BadItem, match=r"seconds, over data\.limits\.seconds 2"):
        read_recording(bytes(data), LIMITS)
    assert len(blocks) <= 1
