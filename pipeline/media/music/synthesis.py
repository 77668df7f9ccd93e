"""Render notes as sound, a WAV file of 16 bits: a few harmonics a note, and strokes of noise for percussion."""

import functools
import io
import wave
from collections.abc import Sequence

import numpy as np

from pipeline.arrays import Float64Array
from pipeline.media.music.midi import TICKS, Note

RATE = 16_000
"""Samples a second."""

HARMONICS = 6
ROLL_OFF = 1.6  # exponent by which higher harmonics are weaker
ATTACK, RELEASE = 0.02, 0.12  # seconds
PEAK = 0.8
DECAY = 0.15  # seconds of a stroke of percussion
LOWEST_DRUM, SPAN_OF_DRUMS = 35, 24  # General MIDI's bass drum, and the pitches above it that sound brighter
TUNING = 440.0, 69  # hertz of a MIDI pitch


def render(parts: Sequence[Sequence[Note]], tempo: float, drums: Sequence[bool] = ()) -> bytes:
    """Return a WAV file, mono.

    Args:
        parts: Notes in ticks of a quarter note.
        tempo: Quarter notes a minute.
        drums: Whether each part is percussion; empty: none is.
    """
    seconds = 60 / tempo / TICKS
    last = max((note.end for notes in parts for note in notes), default=0)
    sound = np.zeros(round((last * seconds + RELEASE) * RATE) + 1)
    for notes, beaten in zip(parts, drums or [False] * len(parts), strict=True):
        for note in notes:
            start = round(note.start * seconds * RATE)
            tone = beat(note.pitch) if beaten else play(note.pitch, (note.end - note.start) * seconds)
            sound[start : start + len(tone)] += tone[: len(sound) - start]
    loudest = float(np.abs(sound).max())
    samples = np.rint(sound * (PEAK * 32767 / loudest if loudest else 0.0)).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def play(pitch: int, seconds: float) -> Float64Array:
    """Return one note that rings on for `RELEASE` seconds."""
    time = np.arange(round((seconds + RELEASE) * RATE)) / RATE
    base = TUNING[0] * 2 ** ((pitch - TUNING[1]) / 12)
    harmonics = [k for k in range(1, HARMONICS + 1) if k * base < RATE / 2]
    tone: Float64Array = np.sum([np.sin(2 * np.pi * base * k * time) / k**ROLL_OFF for k in harmonics], axis=0)
    tone *= np.minimum(1, time / ATTACK) * np.clip((time[-1] - time) / RELEASE, 0, 1)
    return tone


@functools.cache
def beat(pitch: int) -> Float64Array:
    """Return a stroke of a percussion instrument: noise that decays, darker for low pitches such as a bass drum."""
    length = round(DECAY * RATE)
    noise = np.random.default_rng(pitch).standard_normal(length)
    width = max(1, LOWEST_DRUM + SPAN_OF_DRUMS - pitch)
    smooth = np.convolve(noise, np.ones(width) / width**0.5, mode="same")
    stroke: Float64Array = smooth * np.exp(-np.arange(length) / (length / 5))
    return stroke
