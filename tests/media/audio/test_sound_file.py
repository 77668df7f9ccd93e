"""Files of every format and depth are read rightly; files that cannot be used are refused with the reason."""

import re
import struct
from collections.abc import Callable

import numpy as np
import pytest

from pipeline.media.audio.settings import AudioLimits
from pipeline.media.audio.sound_file import read_recording, resample
from pipeline.media.codec import BadItem
from tests.media.audio.sounds import sine, sound

TONE = sine(440)
LIMITS = AudioLimits(seconds=2, samples=40_000)


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


def header(data: bytes, position: int, value: int, size: str = "<I") -> bytes:
    """Return a file with one number of its header replaced."""
    return data[:position] + struct.pack(size, value) + data[position + struct.calcsize(size) :]


WAV = sound(TONE)
FLOATS = TONE.astype(np.float32)

BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "an empty file"),
    "text": (lambda: b"hello" * 100, "not an audio file"),
    "web page": (lambda: b"<!DOCTYPE html><html>", "a web page"),
    "image": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), "an image"),
    "MIDI": (lambda: b"MThd" + bytes(20), "a MIDI file"),
    "AAC": (lambda: bytes(4) + b"ftypM4A " + bytes(50), "AAC .* convert it"),
    "pointer": (lambda: b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "header alone": (lambda: WAV[:20], "damaged|not an audio"),
    "no samples": (lambda: sound(np.zeros(0)), "contains no samples"),
    "truncated WAV": (lambda: WAV[:-1000], "truncated: its header announces"),
    "truncated FLAC": (lambda: (data := sound(TONE, kind="FLAC"))[: len(data) // 2], "damaged|truncated"),
    "corrupt FLAC": (
        lambda: (data := sound(TONE, kind="FLAC"))[:60] + b"\xff" * (len(data) - 60),
        "damaged|contains no",
    ),
    "cut OGG header": (lambda: sound(TONE, kind="OGG")[:50], "damaged|not an audio"),
    "NaN": (lambda: sound(np.where(np.arange(4096) == 9, np.nan, FLOATS), subtype="FLOAT"), "not finite"),
    "infinity": (lambda: sound(np.where(np.arange(4096) == 9, np.inf, FLOATS), subtype="FLOAT"), "not finite"),
    "absurd floats": (lambda: sound(TONE * 3e4, subtype="FLOAT"), "values up to 1.5e"),
    "64 channels": (lambda: sound(np.tile(TONE[:, None], 64)), "64 channels, over data.limits.channels 8"),
    "opposite phase": (lambda: sound(np.stack([TONE, -TONE], axis=1)), "cancel out"),
    "too long": (lambda: sound(sine(440, seconds=3)), "3 seconds, over data.limits.seconds 2"),
    "too many samples": (lambda: sound(np.zeros((15_000, 3)) + 0.1), "45,000 samples, over data.limits.samples"),
    "rate 0": (lambda: header(WAV, 24, 0), "sample rate|damaged"),
    "rate of 12 Hz": (lambda: header(WAV, 24, 12), "sample rate of 12 Hz"),
    "no channels": (lambda: header(WAV, 22, 0, "<H"), "damaged|not an audio"),
    "unknown codec": (lambda: header(WAV, 20, 0x1234, "<H"), "damaged|not an audio"),
}


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
