"""Is every kind of image there, in its share, and is no image there twice?"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError
from pipeline.evaluation.fid import Float64Array, FloatArray

UInt8Array = npt.NDArray[np.uint8]
Int64Array = npt.NDArray[np.int64]

COVERED_SHARE = 0.25  # a class is missing when it has less than this part of the share it should have ...
CHANCE = 1e-4  # ... and so few would be this unlikely by chance: a classifier's slips must not make a dropped class look present


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
    """Classes as a classifier sees them: counts [K] of the generated and of the real images."""

    fake: Int64Array
    real: Int64Array

    @property
    def expected(self) -> Float64Array:
        """How many of the generated images each class should hold, [K], from the real shares."""
        return np.asarray(self.real / self.real.sum() * self.fake.sum(), dtype=np.float64)

    @property
    def total(self) -> int:
        """Classes that the real images show, so that they can be asked for."""
        return int((self.real > 0).sum())

    @property
    def missing(self) -> list[int]:
        """Classes that are there in the real images and, beyond chance, not in the generated ones."""
        n, expected = int(self.fake.sum()), self.expected
        few = np.flatnonzero((self.real > 0) & (self.fake < COVERED_SHARE * expected))
        return [int(c) for c in few if binomial_tail(int(self.fake[c]), n, float(expected[c]) / n) < CHANCE]

    @property
    def covered(self) -> int:
        return self.total - len(self.missing)

    @property
    def undecidable(self) -> list[int]:
        """Classes of which so few samples are expected that even none at all would not be beyond chance."""
        n, expected = int(self.fake.sum()), self.expected
        return [int(c) for c in np.flatnonzero(self.real > 0) if binomial_tail(0, n, float(expected[c]) / n) >= CHANCE]

    @property
    def smallest_share(self) -> float:
        """The smallest share of a class over the share it should have; 1 is right, 0 is a class without a sample."""
        seen = self.real > 0
        return float((self.fake[seen] / self.expected[seen]).min())

    @property
    def kl(self) -> float:
        """KL(generated || real) of the smoothed shares, nats."""
        return histogram_kl(self.fake, self.real)


def histogram(predicted: FloatArray, classes: int) -> Int64Array:
    """Counts [K] of the most probable class; `predicted` is probabilities [n, K]."""
    return np.bincount(np.argmax(predicted, axis=1), minlength=classes).astype(np.int64)


def histogram_kl(fake: Int64Array, real: Int64Array) -> float:
    """KL(fake || real) in nats between counts [K], half a count added to each cell (Jeffreys) so that an empty cell is not infinite."""
    if len(fake) == 0 or len(fake) != len(real):
        raise InputError(f"class histograms of {len(fake)} and {len(real)} classes cannot be compared")
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (fake, real))
    return max(float(np.sum(p * np.log(p / q))), 0.0)


def kl_null(modes: Modes, seed: int, draws: int = 200) -> float:
    """The mean KL that sampling alone shows: both histograms redrawn at their sizes from the real shares."""
    rng = np.random.default_rng(seed)
    shares = (modes.real + 0.5) / (modes.real.sum() + 0.5 * len(modes.real))
    fakes, reals = (rng.multinomial(int(counts.sum()), shares, size=draws).astype(np.int64) for counts in (modes.fake, modes.real))
    return float(np.mean([histogram_kl(fake, real) for fake, real in zip(fakes, reals, strict=True)]))


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
