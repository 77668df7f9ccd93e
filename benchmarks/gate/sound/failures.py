"""Failures of a generator of sound, imitated by clips that are broken in ways that a listener would name."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.gate.failure import Apply, Failure, Int64, UInt8
from pipeline.arrays import Float32Array, FloatArray
from pipeline.media.audio.mel_codec import MelCodec
from pipeline.media.audio.sound_file import resample
from pipeline.media.audio.waves import to_picture


@dataclass(frozen=True)
class Clips:
    """Waves with labels and speakers.

    Attributes:
        waves: float32 [n, samples].
        labels: int64 [n].
        speakers: Names; empty if they are not known.
        train: Waves that the training split holds.
        codec: Turns waves into the items that the gate sees.
    """

    waves: Float32Array
    labels: Int64
    speakers: list[str]
    train: Float32Array
    codec: MelCodec

    @property
    def levels(self) -> Float32Array:
        """Root mean square of each wave, [n, 1]."""
        return np.asarray(np.sqrt(np.square(self.waves).mean(axis=1, keepdims=True)), dtype=np.float32)


Change = Callable[[Clips, float, np.random.Generator], FloatArray]
"""(clips, strength, random generator) -> waves [m, samples]."""


def pictures(change: Change) -> Apply[Clips]:
    """Return the corruption that makes waves and turns them into pictures."""

    def apply(clips: Clips, strength: float, rng: np.random.Generator) -> UInt8:
        return to_picture(np.asarray(change(clips, strength, rng), dtype=np.float32), clips.codec)

    return apply


def low_pass(clips: Clips, share: float, rng: np.random.Generator) -> FloatArray:
    """Keep a share of the band."""
    spectra = np.fft.rfft(clips.waves, axis=1)
    spectra[:, round(share * spectra.shape[1]) :] = 0
    return np.asarray(np.fft.irfft(spectra, clips.waves.shape[1], axis=1))


def play_faster(clips: Clips, speed: float, rng: np.random.Generator) -> FloatArray:
    """Play every clip too fast, which makes it shorter and higher."""
    out = np.zeros_like(clips.waves)
    for row, wave in zip(out, clips.waves, strict=True):
        fast = resample(wave, round(1000 * speed), 1000)[: len(row)]
        row[: len(fast)] = fast
    return out


def copy_training(clips: Clips, share: float, rng: np.random.Generator) -> FloatArray:
    """Replace the first clips by training clips."""
    chosen = rng.permutation(len(clips.train))[: round(share * len(clips.waves))]
    return np.concatenate([clips.train[chosen], clips.waves[len(chosen) :]])


def swap_labels(clips: Clips, share: float, rng: np.random.Generator) -> Int64:
    """Claim the label of another clip for a share of the clips."""
    labels, moved = clips.labels.copy(), rng.random(len(clips.labels)) < share
    labels[moved] = rng.permutation(labels[moved])
    return labels


def failure(key: str, names: tuple[str, ...], strength: float, change: Change) -> Failure[Clips]:
    """Return a failure of one strength, which the gate must reject."""
    return Failure(key, names, (strength,), pictures(change), must=strength)


DIVERSITY = ("low diversity", "low diversity within classes", "repeated samples", "complete mode collapse")
FAILURES: tuple[Failure[Clips], ...] = (
    failure("class dropped", ("dropped classes",), 1, lambda c, n, rng: c.waves[c.labels <= c.labels.max() - n]),
    Failure(
        "one speaker",
        (*DIVERSITY, "intra-class collapse", "wrong timbre", "low fidelity or diversity"),
        (1,),
        pictures(lambda c, n, rng: c.waves[np.array(c.speakers) == c.speakers[0]]),
        must=1,
        exists=lambda clips: bool(clips.speakers),
    ),
    failure("few clips", DIVERSITY, 30, lambda c, n, rng: c.waves[rng.integers(0, int(n), len(c.waves))]),
    failure("backwards", ("backwards", "wrong classes"), 1, lambda c, s, rng: c.waves[:, ::-1]),
    failure(
        "noise, dB",
        ("noisy",),
        20,
        lambda c, db, rng: c.waves + 10 ** (-db / 20) * c.levels * rng.standard_normal(c.waves.shape),
    ),
    failure("clipped", ("clipped",), 4, lambda c, gain, rng: np.clip(gain * c.waves, -0.95, 0.95)),
    failure("higher", ("pitch shifted", "wrong timbre"), 1.2, play_faster),
    failure("band limited", ("band limited",), 0.25, low_pass),
    failure("quieter", ("wrong loudness",), 0.5, lambda c, gain, rng: gain * c.waves),
    failure(
        "some silent", ("silent samples",), 0.1, lambda c, s, rng: c.waves * (rng.random(len(c.waves)) > s)[:, None]
    ),
    failure("copies", ("memorisation",), 0.5, copy_training),
    Failure(
        "labels swapped", ("wrong classes",), (1 / 3,), pictures(lambda c, s, rng: c.waves), must=1 / 3, ask=swap_labels
    ),
    failure("delayed", ("delayed",), 400, lambda c, samples, rng: np.roll(c.waves, int(samples), axis=1)),
)
