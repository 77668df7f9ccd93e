"""Sound files that cannot be used, each with the reason for which it is set aside."""

import struct
from collections.abc import Callable
from functools import partial

import numpy as np

from pipeline.media.audio.settings import AudioLimits
from tests.media.audio.sounds import sine, sound

TONE = sine(440)
LIMITS = AudioLimits(seconds=2, samples=40_000)


def header(data: bytes, position: int, value: int, size: str = "<I") -> bytes:
    """Return a file with one number of its header replaced."""
    return data[:position] + struct.pack(size, value) + data[position + struct.calcsize(size) :]


def cut_short(kind: str) -> bytes:
    """Return the first half of a file."""
    data = sound(sine(440, seconds=1), 8000, kind, "PCM_16" if kind == "CAF" else None)
    return data[: len(data) // 2]


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
    **{
        f"truncated {kind}": (partial(cut_short, kind), "truncated|damaged")
        for kind in ("AIFF", "AU", "CAF", "W64", "RF64", "OGG", "MP3")
    },
    "corrupt FLAC": (
        lambda: (data := sound(TONE, kind="FLAC"))[:60] + b"\xff" * (len(data) - 60),
        "damaged|contains no",
    ),
    "cut OGG header": (lambda: sound(TONE, kind="OGG")[:50], "damaged|not an audio"),
    "NaN": (lambda: sound(np.where(np.arange(4096) == 9, np.nan, FLOATS), subtype="FLOAT"), "not finite"),
    "infinity": (lambda: sound(np.where(np.arange(4096) == 9, np.inf, FLOATS), subtype="FLOAT"), "not finite"),
    "the largest floats": (
        lambda: sound(np.full((100, 2), 3e38, dtype=np.float32), subtype="FLOAT"),
        r"values up to 3e\+38",
    ),
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
