"""Failures of a generator of music, imitated by real pieces that are broken on purpose."""

import numpy as np

from benchmarks.gate.common_failures import REPEATED, copy_training, drop_class, repeat_few
from benchmarks.gate.failure import Apply, Failure, Real, UInt8, replace

CHORD_MODES = ("wrong harmony", "broken progressions")


def mix_voices(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Take each voice of some pieces from another piece."""
    mixed = np.concatenate(
        [real.images[rng.permutation(len(real.images)), :, voice : voice + 1] for voice in range(real.images.shape[2])],
        axis=2,
    )
    return replace(real.images, mixed, share, rng)


def shuffle_time(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Put the steps of some pieces into a random order, the same for all voices of a piece."""
    orders = np.stack([rng.permutation(real.images.shape[1]) for _ in real.images])
    return replace(real.images, np.take_along_axis(real.images, orders[:, :, None, None], axis=1), share, rng)


def wrong_notes(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace some notes by random pitches that their voice has anywhere."""
    low, high = real.train.min(axis=(0, 1)), real.train.max(axis=(0, 1))
    random = rng.integers(np.maximum(low, 1), high + 1, real.images.shape).astype(np.uint8)
    return np.where(rng.random(real.images.shape) < share, random, real.images)


def transpose(real: Real, semitones: float, rng: np.random.Generator) -> UInt8:
    """Transpose all pieces; notes that would leave the range stay at its end."""
    top = int(max(real.train.max(), real.images.max()))
    moved = np.clip(real.images.astype(int) + int(semitones), 1, top).astype(np.uint8)
    return np.where(real.images == 0, real.images, moved)


def cross_voices(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Exchange the two upper voices at some steps."""
    out = real.images.copy()
    crossed = rng.random(out.shape[:2]) < share
    out[crossed, 0], out[crossed, 1] = real.images[crossed, 1], real.images[crossed, 0]
    return out


def freeze(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Hold the first chord of some pieces for one half of them, the middle one for the other."""
    half = real.images.shape[1] // 2
    held = np.concatenate(
        [real.images[:, :1].repeat(half, axis=1), real.images[:, half : half + 1].repeat(half, axis=1)], axis=1
    )
    return replace(real.images, held, share, rng)


def silence(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Let the bass of some pieces rest."""
    silent = real.images.copy()
    silent[:, :, -1] = 0
    return replace(real.images, silent, share, rng)


def lift_bass(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Lift the bass of some pieces by an octave."""
    lifted = real.images.copy()
    lifted[:, :, -1] += np.where(lifted[:, :, -1] > 0, 12, 0).astype(np.uint8)
    return replace(real.images, lifted, share, rng)


def failure(
    key: str, names: tuple[str, ...], strengths: tuple[float, ...], apply: Apply[Real], must: float
) -> Failure[Real]:
    """Return a failure that the gate must reject from the strength `must` on."""
    return Failure(key, names, strengths, apply, must=must)


FAILURES = (
    failure("voices of different pieces", CHORD_MODES, (0.25, 0.5, 1), mix_voices, 0.5),
    failure("time shuffled", ("broken melody", "broken progressions"), (0.25, 0.5, 1), shuffle_time, 0.5),
    failure("wrong notes", ("wrong notes",), (0.02, 0.05, 0.1, 0.2), wrong_notes, 0.1),
    failure("a semitone off", ("transposed",), (1,), transpose, 1),
    failure("transposed", ("transposed",), (2, -3, 5), transpose, 2),
    failure("few pieces repeated", REPEATED, (200, 50, 10), repeat_few, 50),
    failure("training pieces", ("memorisation",), (0.1, 0.5, 1), copy_training, 0.5),
    Failure("classes dropped", ("dropped classes",), (1, 2), drop_class, must=1, needs_labels=True),
    failure("crossed voices", ("crossed voices",), (0.05, 0.2, 0.5), cross_voices, 0.2),
    failure("rhythm frozen", ("frozen rhythm",), (0.25, 0.5, 1), freeze, 0.5),
    failure("bass silent", ("wrong rests", "broken samples"), (0.05, 0.2, 1), silence, 0.2),
    failure("bass an octave high", ("wrong register", "crossed voices"), (0.25, 0.5, 1), lift_bass, 0.5),
)
