"""Is every kind of image there, in its share, and is no image there twice?"""

import hashlib
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Int64Array, UInt8Array
from pipeline.errors import InputError

COVERED_SHARE = 0.25  # a class is missing when less than this part of its share is there ...
CHANCE = 1e-4  # ... and so few would be this unlikely by chance


def duplicate_rate(images: UInt8Array) -> float:
    """Share of images [n, H, W, C] that repeat, pixel for pixel, one before them: (n - distinct) / n."""
    if len(images) == 0:
        raise InputError("no images: there is nothing to look for duplicates in")
    return 1.0 - distinct(images) / len(images)


def distinct(images: UInt8Array) -> int:
    """How many different images there are."""
    return len({hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images})


@dataclass(frozen=True)
class Modes:
    """Classes as a classifier sees them: counts [K] of the generated and of the real images.

    `slips` [K] is the share of each class among the answers for real images that are *not* of it: what would be counted
    of a class that a generator never makes (of Fashion-MNIST's shirts, for a classifier of 89 %, a third of their share).
    """

    fake: Int64Array
    real: Int64Array
    slips: Float64Array

    @classmethod
    def of(cls, fake: FloatArray, real: FloatArray, labels: Int64Array) -> "Modes":
        """From class probabilities [n, K] of generated and [m, K] of real images, and the real ones' labels [m] (-1 unknown)."""
        answers, known = real.argmax(axis=1), labels >= 0
        others = [known & (labels != c) for c in range(real.shape[1])]
        slips = [float((answers[other] == c).mean()) if other.any() else 0.0 for c, other in enumerate(others)]
        return cls(histogram(fake), histogram(real), np.array(slips))

    @property
    def shares(self) -> Float64Array:
        """The real share of each class, [K]."""
        return np.asarray(self.real / self.real.sum(), dtype=np.float64)

    @property
    def expected(self) -> Float64Array:
        """How many of the generated images each class should hold, [K]."""
        return self.shares * int(self.fake.sum())

    @property
    def presence(self) -> Float64Array:
        """Of each class, [K], the part of its share that is there: 1 as in the real images, 0 no more than slips; NaN where slips are all one sees."""
        own = self.shares - self.slips
        return np.asarray(
            np.divide(self.fake / self.fake.sum() - self.slips, own, out=np.full(len(own), np.nan), where=own > 0),
            dtype=np.float64,
        )

    @property
    def total(self) -> int:
        """Classes that the real images show, so that they can be asked for."""
        return int((self.real > 0).sum())

    @property
    def missing(self) -> list[int]:
        """Classes that are there in the real images and, beyond chance, not in the generated ones."""
        few = np.flatnonzero((self.real > 0) & (self.presence < COVERED_SHARE))
        return [int(c) for c in few if self.chance(int(self.fake[c]), int(c)) < CHANCE]

    def deviation(self, c: int) -> float:
        """How many standard deviations the generated share of class c lies from the real one, both being counted (two-proportion z)."""
        n, m = int(self.fake.sum()), int(self.real.sum())
        pooled = (int(self.fake[c]) + int(self.real[c])) / (n + m)
        error = float(np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)))
        return (int(self.fake[c]) / n - int(self.real[c]) / m) / error if error > 0 else 0.0

    def wanting(self, least: float) -> list[int]:
        """Classes whose `presence` is below `least`."""
        return [int(c) for c in np.flatnonzero((self.real > 0) & (self.presence < least))]

    @property
    def covered(self) -> int:
        return self.total - len(self.missing)

    @property
    def undecidable(self) -> list[int]:
        """Classes of which even no more than slips would not be beyond chance: too few are expected, or the classifier cannot tell them."""
        slips = np.rint(self.slips * self.fake.sum()).astype(np.int64)
        return [
            int(c)
            for c in np.flatnonzero(self.real > 0)
            if np.isnan(self.presence[c]) or self.chance(int(slips[c]), int(c)) >= CHANCE
        ]

    def chance(self, count: int, c: int) -> float:
        """How likely a generator with the real shares makes at most `count` images of class c."""
        return binomial_tail(count, int(self.fake.sum()), float(self.shares[c]))

    @property
    def smallest_share(self) -> float | None:
        """The smallest `presence` of a class; None where none can be told."""
        seen = self.presence[(self.real > 0) & ~np.isnan(self.presence)]
        return max(float(seen.min()), 0.0) if len(seen) else None

    @property
    def kl(self) -> float:
        """KL(generated || real) of the smoothed shares, nats."""
        return histogram_kl(self.fake, self.real)


def histogram(predicted: FloatArray) -> Int64Array:
    """Counts [K] of the most probable class; `predicted` is probabilities [n, K]."""
    return np.bincount(np.argmax(predicted, axis=1), minlength=predicted.shape[1]).astype(np.int64)


def histogram_kl(fake: Int64Array, real: Int64Array) -> float:
    """KL(fake || real) in nats between counts [K], half a count added to each cell (Jeffreys) so that an empty cell is not infinite."""
    if len(fake) == 0 or len(fake) != len(real):
        raise InputError(f"class histograms of {len(fake)} and {len(real)} classes cannot be compared")
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (fake, real))
    return max(float(np.sum(p * np.log(p / q))), 0.0)


def kl_null(modes: Modes, seed: int, draws: int = 200) -> tuple[float, float]:
    """Mean and standard deviation of the KL that sampling alone shows: both histograms redrawn at their sizes from the real shares."""
    rng = np.random.default_rng(seed)
    shares = (modes.real + 0.5) / (modes.real.sum() + 0.5 * len(modes.real))
    fakes, reals = (
        rng.multinomial(int(counts.sum()), shares, size=draws).astype(np.int64) for counts in (modes.fake, modes.real)
    )
    found = [histogram_kl(fake, real) for fake, real in zip(fakes, reals, strict=True)]
    return float(np.mean(found)), float(np.std(found, ddof=1))


def binomial_tail(count: int, n: int, p: float) -> float:
    """P(X <= count) for X ~ Binomial(n, p), by log-space recurrence."""
    if p <= 0.0:
        return 1.0
    if p >= 1.0:
        return 1.0 if count >= n else 0.0
    term = n * np.log1p(-p)
    odds = np.log(p) - np.log1p(-p)
    terms = [term]
    for k in range(count):
        term = term + np.log((n - k) / (k + 1)) + odds
        terms.append(term)
    return min(float(np.exp(np.logaddexp.reduce(terms))), 1.0)
