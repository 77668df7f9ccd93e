"""Failures in which samples are training images, plain or changed."""

from collections.abc import Callable

import numpy as np

from benchmarks.gate.failure import Apply, Failure, Real, UInt8, at_least, clip, draw, replace
from benchmarks.gate.images.corruptions.filters import crossfade, enlarge, shift

Change = Callable[[UInt8, np.random.Generator], UInt8]


def copied(change: Change = lambda copies, rng: copies) -> Apply[Real]:
    """Return a corruption that replaces a fraction of the images by changed training images."""

    def apply(real: Real, share: float, rng: np.random.Generator) -> UInt8:
        copies = draw(real.train, len(real.images), rng)
        return replace(real.images, change(copies, rng), share, rng)

    return apply


def copy_with_noise(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a fraction of the images by training images, and add slight noise to all."""
    images = copied()(real, share, rng)
    return clip(images + rng.normal(0, 4, images.shape))


def glue_halves(images: UInt8, rng: np.random.Generator) -> UInt8:
    """Put the left half of one image next to the right half of another."""
    middle = images.shape[2] // 2
    glued: UInt8 = np.concatenate([images[:, :, :middle], images[rng.permutation(len(images))][:, :, middle:]], axis=2)
    return glued


def fade_in(images: UInt8, rng: np.random.Generator) -> UInt8:
    """Mix 10 % of another image into each image."""
    return crossfade(images, images[rng.permutation(len(images))], 0.9)


def noisy(images: UInt8, rng: np.random.Generator) -> UInt8:
    """Add noise of 10 gray levels."""
    return clip(images + rng.normal(0, 10, images.shape))


NAMES = ("memorisation",)
FAILURES = (
    Failure("copies", NAMES, (0.05, 0.1, 1), copied(), must=0.1),
    Failure("all noisy, copies", NAMES, (0.05, 0.1, 1), copy_with_noise, must=0.1),
    Failure("noisier copies", NAMES, (0.1, 1), copied(noisy), must=1),
    Failure("mirrored copies", NAMES, (0.1, 1), copied(lambda copies, rng: copies[:, :, ::-1]), must=0.1),
    Failure(
        "shifted copies", NAMES, (0.1, 1), copied(lambda copies, rng: shift(copies, 1)), must=0.1, exists=at_least(16)
    ),
    Failure(
        "shifted copies 2 px",
        NAMES,
        (0.1, 1),
        copied(lambda copies, rng: shift(copies, 2)),
        must=1,
        exists=at_least(16),
    ),
    Failure("brighter copies", NAMES, (0.1, 1), copied(lambda copies, rng: clip(copies + 15.0)), must=0.1),
    Failure("paler copies", NAMES, (0.1, 1), copied(lambda copies, rng: clip((copies - 128.0) * 0.9 + 128)), must=1),
    Failure(
        "enlarged copies",
        NAMES,
        (0.1, 1),
        copied(lambda copies, rng: enlarge(copies, 0.05)),
        must=1,
        exists=at_least(16),
    ),
    Failure("faded copies", NAMES, (0.1, 1), copied(fade_in), must=1),
    Failure("glued copies", (*NAMES, "unreal samples"), (0.1, 1), copied(glue_halves), must=1),
)
