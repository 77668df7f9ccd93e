"""Failures that concern classes: dropped, rare, confused, or without variety within."""

import numpy as np

from benchmarks.gate.failure import Failure, Int64, Real, UInt8
from benchmarks.gate.images.corruptions.filters import gaussian_blur, move

CLASS = 3
"""The class that a failure of one class concerns."""


def keep(real: Real, strength: float, rng: np.random.Generator) -> UInt8:
    """Return the images unchanged."""
    return real.images


def drop_classes(real: Real, classes: float, rng: np.random.Generator) -> UInt8:
    """Remove the last `classes` classes, half of them at most, and shuffle the other images."""
    count = int(real.labels.max()) + 1
    positions = np.flatnonzero(real.labels < max(count - classes, count // 2))
    others: UInt8 = real.images[rng.permutation(positions)]
    return others


def thin_class(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Remove a fraction `share` of the images of one class."""
    members = np.flatnonzero(real.labels == CLASS)
    removed = rng.choice(members, round(len(members) * share), replace=False)
    others: UInt8 = real.images[np.setdiff1d(np.arange(len(real.images)), removed)]
    return others


def draw_class_from_few(real: Real, count: float, rng: np.random.Generator) -> UInt8:
    """Draw one class from `count` of its images, moved by up to half of one of 32 pixels."""
    out, members = real.images.copy(), np.flatnonzero(real.labels == CLASS)
    chosen = rng.choice(members, int(count), replace=False)
    out[members] = move(real.images[rng.choice(chosen, len(members))], 0.5, rng)
    return out


def keep_typical(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Keep the fraction of each class that is nearest to the mean of the class, as a truncated generator does."""
    pixels = real.images.reshape(len(real.images), -1).astype(np.float32)
    kept = []
    for label in np.unique(real.labels):
        members = np.flatnonzero(real.labels == label)
        distances = np.square(pixels[members] - pixels[members].mean(axis=0)).sum(axis=1)
        kept.append(members[np.argsort(distances)[: round(share * len(members))]])
    typical: UInt8 = real.images[rng.permutation(np.concatenate(kept))]
    return typical


def blur_class(real: Real, radius: float, rng: np.random.Generator) -> UInt8:
    """Blur the images of one class."""
    out, members = real.images.copy(), real.labels == CLASS
    out[members] = gaussian_blur(out[members], radius)
    return out


def ask_truly(real: Real, strength: float, rng: np.random.Generator) -> Int64:
    """Return the true labels."""
    return real.labels


def shuffle_labels(real: Real, share: float, rng: np.random.Generator) -> Int64:
    """Permute a fraction of the labels, as if the generator ignored them."""
    asked = real.labels.copy()
    chosen = rng.choice(len(asked), round(share * len(asked)), replace=False)
    asked[chosen] = asked[rng.permutation(chosen)]
    return asked


def swap_labels(real: Real, pairs: float, rng: np.random.Generator) -> Int64:
    """Exchange the labels within `pairs` pairs of classes."""
    names = np.arange(real.labels.max() + 1)
    for pair in range(int(pairs)):
        first, second = (CLASS + pair) % len(names), (CLASS + 5 + pair) % len(names)
        names[[first, second]] = names[[second, first]]
    swapped: Int64 = names[real.labels].astype(np.int64)
    return swapped


WRONG_CLASS = ("wrong classes", "wrong class")
LOW_DIVERSITY = ("low diversity within classes", "low diversity")
FAILURES: tuple[Failure[Real], ...] = (
    Failure("nothing", (), (0,), keep, accept=0),
    Failure("true labels", (), (0,), keep, accept=0, ask=ask_truly),
    Failure("few samples", (), (500, 200, 50), lambda real, n, rng: real.images[: int(n)], accept=50),
    Failure("labels ignored", WRONG_CLASS, (0.25, 0.5, 1), keep, must=0.5, ask=shuffle_labels, needs_labels=True),
    Failure("labels swapped", WRONG_CLASS, (1, 2), keep, must=1, ask=swap_labels, needs_labels=True),
    Failure("blurred class", ("poor class", "blurred"), (1, 2), blur_class, must=2, ask=ask_truly, needs_labels=True),
    Failure("drop classes", ("dropped classes", *LOW_DIVERSITY), (1, 2, 5), drop_classes, must=1, must_unlabelled=5),
    Failure(
        "rare class",
        ("unbalanced classes", "dropped classes"),
        (0.25, 0.5, 0.75),
        thin_class,
        must=0.75,
        needs_labels=True,
    ),
    Failure("class from few", (*LOW_DIVERSITY, "intra-class collapse"), (8, 2), draw_class_from_few, must=8),
    Failure("truncated", (*LOW_DIVERSITY, "crowded samples"), (0.75, 0.5, 0.3), keep_typical, must=0.5),
)
