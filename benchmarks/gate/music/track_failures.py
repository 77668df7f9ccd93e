"""Failures of a generator of tracks, imitated by piano rolls [n, steps, pitches, tracks] that are broken on purpose."""

import numpy as np

from benchmarks.gate.common_failures import REPEATED, copy_training, drop_class, repeat_few
from benchmarks.gate.failure import Failure, Real, UInt8, replace
from benchmarks.gate.music.failures import CHORD_MODES, failure, freeze, shuffle_time

OCTAVE = 12


def move(rolls: UInt8, semitones: int) -> UInt8:
    """Return rolls higher by some semitones; notes that leave the range are gone."""
    moved = np.zeros_like(rolls)
    if semitones > 0:
        moved[:, :, semitones:] = rolls[:, :, :-semitones]
    else:
        moved[:, :, :semitones] = rolls[:, :, -semitones:]
    return moved


def mix_tracks(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Take each track of some pieces from another piece."""
    mixed = np.stack(
        [real.images[rng.permutation(len(real.images)), ..., track] for track in range(real.images.shape[3])], axis=3
    )
    return replace(real.images, mixed, share, rng)


def wrong_notes(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Move some notes of each step to another pitch that their track has anywhere."""
    out = real.images.copy()
    used = np.asarray(real.train.any(axis=(0, 1)))  # [pitches, tracks]
    chosen = np.argwhere((real.images > 0) & (rng.random(real.images.shape) < share))
    for piece, step, pitch, track in chosen.tolist():
        out[piece, step, pitch, track] = 0
        out[piece, step, rng.choice(np.flatnonzero(used[:, track])), track] = real.images[piece, step, pitch, track]
    return out


def transpose(real: Real, semitones: float, rng: np.random.Generator) -> UInt8:
    """Transpose all pieces."""
    return move(real.images, int(semitones))


def silence(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Let the last track of some pieces rest."""
    silent = real.images.copy()
    silent[..., -1] = 0
    return replace(real.images, silent, share, rng)


def lift(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Lift the last track of some pieces by an octave."""
    lifted = real.images.copy()
    lifted[..., -1:] = move(real.images[..., -1:], OCTAVE)
    return replace(real.images, lifted, share, rng)


def double(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Double the notes of all tracks of some pieces at the octave."""
    return replace(real.images, np.maximum(real.images, move(real.images, -OCTAVE)), share, rng)


def cut_notes(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Let all tracks of some pieces but the first rest at every second step."""
    cut = real.images.copy()
    cut[:, 1::2, :, 1:] = 0
    return replace(real.images, cut, share, rng)


def swap(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Exchange the first and the last track of some pieces."""
    order = [real.images.shape[3] - 1, *range(1, real.images.shape[3] - 1), 0]
    return replace(real.images, real.images[..., order], share, rng)


FAILURES: tuple[Failure[Real], ...] = (
    failure("tracks of different pieces", CHORD_MODES, (0.25, 0.5, 1), mix_tracks, 0.5),
    failure("time shuffled", ("broken melody", "broken progressions"), (0.25, 0.5, 1), shuffle_time, 0.5),
    failure("wrong notes", ("wrong notes",), (0.02, 0.05, 0.1, 0.2), wrong_notes, 0.1),
    failure("transposed", ("wrong key", "wrong notes", "wrong register"), (1, 2, -3), transpose, 1),
    failure("few pieces repeated", REPEATED, (200, 50, 10), repeat_few, 50),
    failure("training pieces", ("memorisation",), (0.1, 0.5, 1), copy_training, 0.5),
    Failure("classes dropped", ("dropped classes",), (1, 2), drop_class, must=1, needs_labels=True),
    failure("rhythm frozen", ("frozen rhythm",), (0.25, 0.5, 1), freeze, 0.5),
    failure("last track silent", ("wrong rests", "broken samples"), (0.05, 0.2, 1), silence, 0.2),
    failure("last track an octave high", ("wrong register",), (0.25, 0.5, 1), lift, 0.5),
    failure("doubled at the octave", ("wrong polyphony",), (0.25, 0.5, 1), double, 0.5),
    failure("rests at every second step", ("wrong rests", "fragmented notes"), (0.25, 0.5, 1), cut_notes, 0.5),
    failure("tracks swapped", ("wrong register", "wrong polyphony"), (0.25, 0.5, 1), swap, 0.5),
)
