"""Failures in which samples repeat each other, exactly or nearly."""

import numpy as np

from benchmarks.gate.failure import Failure, Real, UInt8, clip
from benchmarks.gate.images.corruptions.filters import move


def repeat_one_image(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a fraction of the images by one image."""
    out = real.images.copy()
    out[: round(share * len(out))] = out[0]
    return out


def repeat_prototypes(real: Real, each: float, rng: np.random.Generator) -> UInt8:
    """Draw all images from `each` images per class, shifted by up to a pixel and with slight noise."""
    out = []
    for label in range(real.labels.max() + 1):
        members = np.flatnonzero(real.labels == label)
        chosen = rng.choice(members, min(int(each), len(members)), replace=False)
        out.append(real.images[rng.choice(chosen, len(members))])
    return jitter(np.concatenate(out), rng)


def jitter(images: UInt8, rng: np.random.Generator) -> UInt8:
    """Shift images by up to a pixel and add slight noise."""
    shifted = np.stack(
        [
            np.roll(image, (int(dy), int(dx)), (0, 1))
            for image, (dy, dx) in zip(images, rng.integers(-1, 2, (len(images), 2)), strict=True)
        ]
    )
    is_tiny = images.shape[1] <= 8  # a shift by one of eight pixels would be another image
    return clip((images if is_tiny else shifted) + rng.normal(0, 4, images.shape))


def duplicate_samples(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a fraction of the images by exact copies of other images."""
    out, count = real.images.copy(), round(share * len(real.images))
    out[:count] = out[rng.integers(count, len(out), count)]
    return out


def duplicate_and_move(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a fraction of the images by copies of other images, moved by up to half of one of 32 pixels."""
    out, count = duplicate_samples(real, share, rng), round(share * len(real.images))
    out[:count] = move(out[:count], 0.5, rng)
    return out


def repeat_few(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Draw all images from a fraction `share` of them, moved by up to one of 32 pixels."""
    n = len(real.images)
    chosen = rng.choice(n, max(2, round(share * n)), replace=False)
    return move(real.images[rng.choice(chosen, n)], 1, rng)


COLLAPSE = ("intra-class collapse", "repeated samples", "complete mode collapse", "low diversity within classes")
FAILURES = (
    Failure("one image", ("complete mode collapse", "repeated samples"), (0.01, 0.1, 1), repeat_one_image, must=0.01),
    Failure("prototypes", ("intra-class collapse",), (50, 20, 5), repeat_prototypes, must=20),
    Failure("duplicates", ("repeated samples",), (0.004, 0.01, 0.05), duplicate_samples, must=0.05),
    Failure("moved duplicates", COLLAPSE, (0.05, 0.3), duplicate_and_move, must=0.3),
    Failure("few originals", COLLAPSE, (0.2, 0.02), repeat_few, must=0.2),
)
