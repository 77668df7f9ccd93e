"""Which digit each frame of moving digits shows, by the nearest known digit: the truth of the built-in source."""

import functools

import numpy as np

from pipeline.arrays import Float32Array, Int64Array
from pipeline.media.video.moving_digits import TEST_DIGITS, enlarge, load_digits

ALIKE = 0.93
"""Cosine similarity with the nearest digit from which a frame shows a digit: the least of 1,200 real frames."""


def recognised_frames(values: Float32Array) -> Float32Array:
    """Return the share of frames of each clip that show the digit that most of its frames show, [n, 1].

    Args:
        values: Levels 0..1, [n, T, H, W, C].
    """
    n, frames = values.shape[:2]
    classes = name_frames(values.mean(axis=-1).reshape(n * frames, *values.shape[2:4])).reshape(n, frames)
    counts = np.stack([(classes == digit).mean(axis=1) for digit in range(10)], axis=1)
    return np.asarray(counts.max(axis=1, keepdims=True), dtype=np.float32)


def name_frames(values: Float32Array) -> Int64Array:
    """Return the digit that each frame [n, H, W] shows; -1 for none."""
    side = min(values.shape[1:]) // 2
    known, labels = known_digits(side)
    likeness = centred(values, side) @ known.T
    nearest = likeness.argmax(axis=1)
    return np.where(likeness.max(axis=1) >= ALIKE, labels[nearest], -1)


@functools.cache
def known_digits(side: int) -> tuple[Float32Array, Int64Array]:
    """Return the digits of the training clips, centred, and which digit each one is."""
    labels = load_digits()[1][TEST_DIGITS:]
    sprites = np.stack([enlarge(digit, side) for digit in range(TEST_DIGITS, TEST_DIGITS + len(labels))])
    return centred(np.pad(sprites, ((0, 0), (side // 2, side // 2), (side // 2, side // 2))), side), labels


def centred(values: Float32Array, side: int) -> Float32Array:
    """Return the lightest square of each frame [n, H, W], moved so that its centre of light is in the middle.

    The result has rows of length 1, [n, (side + 3)^2].
    """
    reach = side + 3
    padded = np.pad(values, ((0, 0), (reach, reach), (reach, reach)))
    sums = np.pad(padded, ((0, 0), (1, 0), (1, 0))).cumsum(axis=1, dtype=np.float64).cumsum(axis=2)
    light = sums[:, side:, side:] - sums[:, :-side, side:] - sums[:, side:, :-side] + sums[:, :-side, :-side]
    tops, lefts = np.divmod(light.reshape(len(light), -1).argmax(axis=1), light.shape[2])
    steps = np.arange(side)
    found = np.zeros((len(values), reach, reach), dtype=np.float32)
    for frame, top, left, result in zip(padded, tops, lefts, found, strict=True):
        square = frame[top : top + side, left : left + side]
        total = float(square.sum())
        if total == 0:
            continue
        y = top + square.sum(axis=1) @ steps / total - (reach - 1) / 2
        x = left + square.sum(axis=0) @ steps / total - (reach - 1) / 2
        (row, column), (down, right) = np.floor([y, x]).astype(int), np.array([y, x]) % 1
        part = frame[row : row + reach + 1, column : column + reach + 1]
        part = (1 - down) * part[:-1] + down * part[1:]
        result[:] = (1 - right) * part[:, :-1] + right * part[:, 1:]
    rows = found.reshape(len(found), -1)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6))
