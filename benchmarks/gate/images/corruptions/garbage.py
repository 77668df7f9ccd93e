"""Failures in which a part of the samples is unlike any real image."""

import numpy as np

from benchmarks.gate.failure import Apply, Failure, Real, UInt8, at_least, draw, is_colour, is_gray, replace
from benchmarks.gate.images.corruptions.filters import crossfade, rotate, shuffle_quadrants


def mixed(make: Apply[Real]) -> Apply[Real]:
    """Return a corruption that replaces a fraction of the images; `make` returns an image for each position."""
    return lambda real, share, rng: replace(real.images, make(real, share, rng), share, rng)


def fade(real: Real, weight: float, rng: np.random.Generator) -> UInt8:
    """Crossfade each image with another one."""
    return crossfade(real.images, real.images[rng.permutation(len(real.images))], weight)


def average(real: Real, count: float, rng: np.random.Generator) -> UInt8:
    """Return means of `count` images."""
    total = sum(real.images[rng.permutation(len(real.images))].astype(np.float32) for _ in range(int(count)))
    means: UInt8 = np.rint(np.asarray(total) / int(count)).astype(np.uint8)
    return means


def constant(value: int) -> Apply[Real]:
    """Return a corruption that makes images of one value."""
    return lambda real, share, rng: np.full_like(real.images, value)


def white_noise(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Return images of independent pixels."""
    return rng.integers(0, 256, real.images.shape).astype(np.uint8)


TURNED = "turned samples"
NAMES = ("unreal samples", "broken samples")
FAILURES = (
    Failure(
        "mirrored",
        ("mirrored", TURNED, *NAMES),
        (0.1, 0.5, 1),
        mixed(lambda real, s, rng: real.images[:, :, ::-1]),
        must=1,
        exists=is_gray,
    ),
    Failure("mirrored", (), (0.5, 1), mixed(lambda real, s, rng: real.images[:, :, ::-1]), exists=is_colour),
    Failure(
        "rotated", (*NAMES, TURNED, "rotated"), (0.1, 0.5, 1), mixed(lambda real, s, rng: rotate(real.images)), must=0.1
    ),
    Failure(
        "upside down",
        (*NAMES, TURNED, "upside down"),
        (0.1, 0.5, 1),
        mixed(lambda real, s, rng: real.images[:, ::-1]),
        must=0.1,
    ),
    Failure(
        "quadrants",
        NAMES,
        (0.1, 0.5, 1),
        mixed(lambda real, s, rng: shuffle_quadrants(real.images)),
        must=0.1,
        exists=at_least(16),
    ),
    Failure("crossfades", NAMES, (0.05, 0.1, 0.5, 1), mixed(lambda real, s, rng: fade(real, 0.5, rng)), must=0.1),
    # A mean of images has less contrast, which is the first thing that shows if all samples are means.
    Failure(
        "faint crossfades",
        (*NAMES, "wrong contrast"),
        (0.5, 1),
        mixed(lambda real, s, rng: fade(real, 0.8, rng)),
        must=1,
    ),
    Failure("means of k", (*NAMES, "blurred", "wrong contrast"), (4, 32), average, must=4),
    Failure(
        "foreign images",
        NAMES,
        (0.02, 0.1, 0.5),
        mixed(lambda real, s, rng: draw(real.foreign, len(real.images), rng)),
        must=0.02,
    ),
    Failure(
        "inverted", (*NAMES, "wrong brightness"), (0.05, 1), mixed(lambda real, s, rng: 255 - real.images), must=0.05
    ),
    Failure("white images", (*NAMES, "repeated samples"), (0.01, 0.05), mixed(constant(255)), must=0.01),
    Failure("black images", (*NAMES, "repeated samples"), (0.01, 0.05), mixed(constant(0)), must=0.01),
    Failure("noise images", (*NAMES, "noisy"), (0.01, 0.05), mixed(white_noise), must=0.01),
)
