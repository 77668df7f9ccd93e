"""Tones, chirps and noises whose pitch and envelope follow from their class: data with a known truth.

A class is a sound and the half in which it is louder. `recognise` tells the class of any wave by exact rules.
"""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from pipeline.arrays import Float32Array, Float64Array
from pipeline.media.audio.sound_writer import write_sound

RATE, SECONDS = 8000, 0.512
NOTES = {"a3": 220.0, "e4": 329.63, "a4": 440.0}
"""Frequencies in hertz."""
ENVELOPES = ("fading", "growing")
CHIRPS = {"rising": (300.0, 600.0), "falling": (600.0, 300.0)}
"""Frequencies at the start and at the end."""
CLASSES = tuple(
    [f"{note}-{envelope}" for note in NOTES for envelope in ENVELOPES]
    + list(CHIRPS)
    + [f"noise-{envelope}" for envelope in ENVELOPES]
)
EACH = 250
"""Files of each class."""
DETUNED = 15.0
"""Cents by which a tone is off its note at most."""
QUARTER_TONE = 50.0
"""Cents between a note and the next quarter tone."""
LOWEST, HIGHEST = 150.0, 800.0
"""Pitches that are looked for, in hertz."""
PERIODIC = 0.5
"""Autocorrelation from which a sound has a pitch."""
GLIDE = 300.0
"""Cents between the two halves from which a pitch rises or falls."""


class Tones:
    """250 WAV files of each class, the same at every call."""

    name = "tones"

    def files(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Yield one file after the other."""
        for number, name in enumerate(CLASSES):
            for index in range(EACH):
                yield f"{name}/{index:04d}.wav", functools.partial(write_tone, number, index)


def write_tone(number: int, index: int) -> bytes:
    """Return file `index` of a class."""
    rng = np.random.Generator(np.random.Philox(key=[number, index]))
    return write_sound(draw_tone(CLASSES[number], rng), RATE, ".wav")[0]


def draw_tone(name: str, rng: np.random.Generator) -> Float32Array:
    """Return a random sound of a class, float32 [4096]: detuned, with overtones, an onset and a decay of its own."""
    time = np.arange(round(RATE * SECONDS)) / RATE
    sound, _, envelope = name.partition("-")
    wave = {"noise": draw_noise}.get(sound, draw_pitched)(sound, time, rng)
    if envelope:
        fading = np.exp(-time * rng.uniform(4, 10))
        wave = wave * (fading if envelope == "fading" else fading[::-1])
    onset = round(rng.uniform(0, 0.03) * RATE)
    edge = np.ones_like(time)
    edge[:onset], edge[onset : onset + 40], edge[-40:] = 0, np.linspace(0, 1, 40), np.linspace(1, 0, 40)
    wave = wave * edge
    return np.asarray(wave * (rng.uniform(0.4, 0.9) / np.abs(wave).max()), dtype=np.float32)


def draw_pitched(sound: str, time: Float64Array, rng: np.random.Generator) -> Float64Array:
    """Return a tone or a chirp with two overtones, at full level."""
    start, end = CHIRPS.get(sound, (NOTES.get(sound, 0.0),) * 2)
    detuned = 2 ** (rng.uniform(-DETUNED, DETUNED) / 1200)
    glide = np.log(end / start) / SECONDS
    # The integral of start * exp(glide t).
    cycles = start * detuned * (np.expm1(glide * time) / glide if glide else time)
    strengths = np.array([1, rng.uniform(0.1, 0.6), rng.uniform(0.0, 0.3)])
    parts = [a * np.sin(2 * np.pi * (k * cycles + rng.random())) for k, a in enumerate(strengths, start=1)]
    return np.asarray(sum(parts), dtype=np.float64)


def draw_noise(sound: str, time: Float64Array, rng: np.random.Generator) -> Float64Array:
    """Return white noise."""
    return rng.standard_normal(len(time))


# --- the truth ---


def recognise(wave: Float32Array, rate: int) -> str:
    """Return the class of a wave [n] by rules: its pitch, how that changes, and which half is louder; else ""."""
    eighth = len(wave) // 8
    first, second = (float(np.square(half, dtype=np.float64).sum()) for half in np.array_split(wave, 2))
    envelope = ENVELOPES[0] if first > second else ENVELOPES[1]
    early, late = (find_pitch(wave[start * eighth : (start + 2) * eighth], rate) for start in (1, 5))
    if max(early.strength, late.strength) < PERIODIC:
        return f"noise-{envelope}"
    if min(early.strength, late.strength) < PERIODIC:
        return ""
    glide = cents(late.frequency, early.frequency)
    if abs(glide) >= GLIDE:
        return "rising" if glide > 0 else "falling"
    pitch = find_pitch(wave[2 * eighth : 6 * eighth], rate).frequency
    near = (note for note, frequency in NOTES.items() if abs(cents(pitch, frequency)) <= QUARTER_TONE)
    note = next(near, "")
    return f"{note}-{envelope}" if note else ""


class Pitch(NamedTuple):
    """The first high peak of an autocorrelation: its height, of 1, and its frequency in hertz."""

    strength: float
    frequency: float


def find_pitch(wave: Float32Array, rate: int) -> Pitch:
    """Return the pitch of a wave [n], between the lowest and the highest that are looked for."""
    x = wave.astype(np.float64) - wave.mean(dtype=np.float64)
    n = len(x)
    power = np.fft.irfft(np.abs(np.fft.rfft(x, 2 * n)) ** 2)[:n]
    energy = np.cumsum(x**2)
    # Each lag is divided by the energy of the two parts that it compares.
    lags = np.arange(n - 1)
    ends, starts = energy[n - 1 - lags], energy[-1] - np.concatenate([[0], energy[: n - 2]])
    curve = power[: n - 1] / np.sqrt(np.maximum(ends * starts, 1e-12))
    low, high = int(rate / HIGHEST), min(int(rate / LOWEST) + 1, n - 3)
    inner = np.arange(low, high)
    peaks = inner[(curve[inner] >= curve[inner - 1]) & (curve[inner] >= curve[inner + 1])]
    if not len(peaks) or curve[peaks].max() <= 0:
        return Pitch(0.0, LOWEST)
    best = peaks[curve[peaks] >= 0.9 * curve[peaks].max()][0]
    left, centre, right = curve[best - 1 : best + 2]
    bend = left - 2 * centre + right
    return Pitch(float(centre), rate / (best + (left - right) / (2 * bend) if bend else best))


def cents(frequency: float, other: float) -> float:
    """Return the interval from `other` up to `frequency`, in cents."""
    return float(1200 * np.log2(frequency / other))
