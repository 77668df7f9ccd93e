"""Failures that items of every kind can have: few of them, copies, missing and wrong classes."""

import numpy as np

from benchmarks.gate.failure import Int64, Real, UInt8, draw, replace

REPEATED = ("repeated samples", "complete mode collapse", "intra-class collapse", "memorisation", "low diversity")
"""What the gate may call a few items that are drawn again and again."""


def repeat_few(real: Real, count: float, rng: np.random.Generator) -> UInt8:
    """Draw only a few items, again and again."""
    return draw(real.images[: int(count)], len(real.images), rng)


def copy_training(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace some items by training items."""
    return replace(real.images, draw(real.train, len(real.images), rng), share, rng)


def drop_class(real: Real, count: float, rng: np.random.Generator) -> UInt8:
    """Leave the first classes out."""
    kept: UInt8 = real.images[real.labels >= count]
    return kept


def keep(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Change nothing."""
    return real.images


def ask_other(real: Real, share: float, rng: np.random.Generator) -> Int64:
    """Claim another class for some items."""
    wrong = rng.random(len(real.labels)) < share
    return np.where(wrong, (real.labels + 1) % (real.labels.max() + 1), real.labels)
