"""Waves to log-mel pictures and back: a short-time Fourier transform, mel filters, and Griffin-Lim for the phases.

The mel scale is 2595 log10(1 + f / 700) (HTK). Each filter is a triangle whose weights sum to 1. A picture holds
decibels relative to a sine at full scale, from the floor (black) to 0 (white), low frequencies in the first row.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.arrays import Float32Array, Float64Array
from pipeline.items import ItemSpec

ITERATIONS = 16
"""Steps of Griffin-Lim; more improve the sound little."""
MOMENTUM = 0.9
SHARPENING = 20
"""Steps that find the magnitudes behind mel bands."""
SILENCE = 1e-6
"""Added to squared magnitudes before they divide. It bounds how much rounding errors change a phase."""
SEED = 19_840_402
SOUND = "audio"
"""Name of the output of an exported graph that holds waves."""


@dataclass(frozen=True)
class MelCodec:
    """How waves become pictures. Everything follows from these numbers, which an item's `details` hold.

    Attributes:
        sample_rate: Samples a second.
        window: Samples of one Fourier transform, a multiple of `hop`.
        hop: Samples between two columns.
        mels, frames: Height and width of a picture.
        low_hz, high_hz: Ends of the mel scale.
        floor_db: Level of black.
    """

    sample_rate: int
    window: int
    hop: int
    mels: int
    frames: int
    low_hz: float
    high_hz: float
    floor_db: float

    @classmethod
    def of(cls, item: ItemSpec) -> "MelCodec":
        """Return the codec of stored items: of pictures, or of waves, whose details also hold `mels`."""
        details: dict[str, Any] = dict(item.details)
        if "mels" in details:
            return cls(frames=item.width // details["hop"], **details)
        return cls(mels=item.height, frames=item.width, **details)

    def details(self) -> dict[str, int | float]:
        """Return what the size of a picture does not say, for `ItemSpec.details`."""
        return {
            "sample_rate": self.sample_rate,
            "window": self.window,
            "hop": self.hop,
            "low_hz": self.low_hz,
            "high_hz": self.high_hz,
            "floor_db": self.floor_db,
        }

    @property
    def samples(self) -> int:
        """Length of a wave."""
        return self.frames * self.hop

    @property
    def bins(self) -> int:
        """Frequencies of the Fourier transform."""
        return self.window // 2 + 1

    @property
    def margin(self) -> int:
        """Zeros before a wave, so that the columns are centred on their hops."""
        return (self.window - self.hop) // 2

    def encode(self, waves: Float32Array) -> Float64Array:
        """Return the levels of waves [n, samples] as pictures in 0 .. 1, [n, mels, frames]."""
        tables = tables_of(self)
        padded = np.pad(np.asarray(waves, dtype=np.float64), ((0, 0), (self.margin, self.window - self.margin)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.window, axis=1)[:, :: self.hop][
            :, : self.frames
        ]
        magnitudes = np.abs(np.fft.rfft(windows * tables.hann, axis=2)) / (self.window / 4)
        levels = 20 * np.log10(np.maximum(magnitudes @ tables.filters.T, 1e-9))
        pictures: Float64Array = np.clip(1 - levels / self.floor_db, 0, 1).transpose(0, 2, 1)
        return pictures

    def magnitudes(self, pictures: Float64Array | Float32Array) -> Float32Array:
        """Return the magnitudes that pictures [n, mels, frames] in 0 .. 1 show, float32 [n, frames, bins].

        A few multiplicative steps (Lee and Seung, 2001) find magnitudes whose mel bands are those of the picture. They
        start from a smooth spectrum and keep it positive, so a tone between two bands stays one tone.
        """
        tables = tables_of(self)
        filters, floor = tables.filters.astype(np.float32), np.float32(10 ** (self.floor_db / 20))
        levels = (1 - np.asarray(pictures, dtype=np.float32).transpose(0, 2, 1)) * np.float32(self.floor_db)
        bands = np.maximum(10 ** (levels / 20) - floor, 0)
        found: Float32Array = bands @ tables.spread.astype(np.float32)
        for _ in range(SHARPENING):
            found = found * ((bands / (found @ filters.T + np.float32(SILENCE))) @ tables.spread.astype(np.float32))
        return found * np.float32(self.window / 4)

    def decode(self, pictures: Float64Array | Float32Array, iterations: int = ITERATIONS) -> Float32Array:
        """Return waves [n, samples] whose pictures are near the given ones, [n, mels, frames] in 0 .. 1.

        Fast Griffin-Lim (Perraudin et al., 2013) from phases that are always the same.
        """
        tables, half = tables_of(self), self.bins
        magnitudes = self.magnitudes(pictures)
        magnitudes = np.concatenate([magnitudes, magnitudes], axis=2)
        spectrum, before = magnitudes * tables.phases, np.zeros_like(magnitudes)
        for _ in range(iterations):
            now = self.transform(self.invert(spectrum))
            ahead = now + np.float32(MOMENTUM) * (now - before)
            squares = ahead * ahead
            length = np.sqrt(squares[..., :half] + squares[..., half:] + np.float32(SILENCE))
            spectrum, before = magnitudes * ahead / np.concatenate([length, length], axis=2), now
        return self.invert(spectrum)

    def transform(self, waves: Float32Array) -> Float32Array:
        """Return the spectra of waves [n, samples], real then imaginary parts, float32 [n, frames, 2 * bins]."""
        padded = np.pad(waves, ((0, 0), (self.margin, self.window - self.margin)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.window, axis=1)[:, :: self.hop][
            :, : self.frames
        ]
        spectra: Float32Array = np.ascontiguousarray(windows) @ tables_of(self).forward.T
        return spectra

    def invert(self, spectra: Float32Array) -> Float32Array:
        """Return the waves [n, samples] of spectra [n, frames, 2 * bins]: the inverse of `transform`."""
        tables, parts = tables_of(self), self.window // self.hop
        pieces = (spectra @ tables.inverse).reshape(len(spectra), self.frames, parts, self.hop)
        wave = np.zeros((len(spectra), self.frames + parts, self.hop), dtype=np.float32)
        for part in range(parts):
            wave[:, part : part + self.frames] += pieces[:, :, part]
        joined = wave.reshape(len(spectra), -1)[:, self.margin : self.margin + self.samples]
        return np.asarray(joined * tables.gain, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Tables:
    """The constants of a codec.

    Attributes:
        hann: Window, [window].
        filters: Mel filters, [mels, bins]; each sums to 1.
        spread: The same, so that each frequency that has one sums to 1, [mels, bins].
        forward: A wave's window to its spectrum, float32 [2 * bins, window].
        inverse: A spectrum to its window, float32 [2 * bins, window].
        gain: What overlapping windows are multiplied with, float32 [samples].
        phases: Cosine and sine of the first phases, float32 [frames, 2 * bins].
    """

    hann: Float64Array
    filters: Float64Array
    spread: Float64Array
    forward: Float32Array
    inverse: Float32Array
    gain: Float32Array
    phases: Float32Array


@functools.lru_cache(maxsize=8)
def tables_of(codec: MelCodec) -> Tables:
    """Return the constants of a codec."""
    n, bins = codec.window, codec.bins
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    angles = 2 * np.pi * np.arange(bins)[:, None] * np.arange(n) / n
    forward = np.concatenate([np.cos(angles), -np.sin(angles)]) * hann
    weights = np.full((bins, 1), 2.0)
    weights[[0, -1]] = 1
    inverse = np.concatenate([np.cos(angles) * weights, -np.sin(angles) * weights]) * hann / n
    total = np.zeros((codec.frames + n // codec.hop) * codec.hop)
    for frame in range(codec.frames):
        total[frame * codec.hop : frame * codec.hop + n] += hann**2
    gain = 1 / np.maximum(total[codec.margin : codec.margin + codec.samples], 1e-3)
    # From integers: a generator's integers are the same on every machine.
    turns = np.random.Generator(np.random.Philox(SEED)).integers(0, 2**16, (codec.frames, bins)) / 2**16
    phases = np.concatenate([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=1)
    filters = mel_filters(codec)
    return Tables(
        hann,
        filters,
        filters / np.maximum(filters.sum(axis=0), 1e-9),
        forward.astype(np.float32),
        inverse.astype(np.float32),
        gain.astype(np.float32),
        phases.astype(np.float32),
    )


def mel_filters(codec: MelCodec) -> Float64Array:
    """Return triangles on the mel scale, [mels, bins], each of sum 1; a narrow one has the nearest frequency alone."""
    low, high = (2595 * np.log10(1 + f / 700) for f in (codec.low_hz, codec.high_hz))
    edges = mel_to_hertz(np.linspace(low, high, codec.mels + 2))
    frequencies = np.arange(codec.bins) * codec.sample_rate / codec.window
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (frequencies - left) / (centre - left), (right - frequencies) / (right - centre)
    filters = np.maximum(0, np.minimum(rising, falling))
    empty = filters.sum(axis=1) == 0
    filters[empty, np.abs(frequencies - centre[empty]).argmin(axis=1)] = 1
    normed: Float64Array = filters / filters.sum(axis=1, keepdims=True)
    return normed


def hertz_to_mel(hertz: Float64Array) -> Float64Array:
    """Return places on the mel scale."""
    mels: Float64Array = 2595 * np.log10(1 + hertz / 700)
    return mels


def mel_to_hertz(mels: Float64Array) -> Float64Array:
    """Return the frequencies of places on the mel scale."""
    hertz: Float64Array = 700 * (10 ** (mels / 2595) - 1)
    return hertz
