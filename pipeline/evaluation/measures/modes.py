"""Check that samples show every class in its share, and count exact duplicates."""

import hashlib
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Int64Array, Items
from pipeline.errors import InputError

COVERED_SHARE = 0.25
"""A class is missing if less than this fraction of its share is present, and if chance does not explain it."""

CHANCE = 1e-4
"""Chance does not explain a count whose probability is below this value."""


def duplicate_rate(images: Items) -> float:
    """Return the fraction of images [n, H, W, C] that equal an earlier image pixel for pixel: (n - distinct) / n."""
    if len(images) == 0:
        raise InputError("cannot count duplicates: there are no images")
    return 1.0 - count_distinct(images) / len(images)


def count_distinct(items: Items) -> int:
    """Return the number of different items among stored items [n, H, W, C]."""
    return len({hashlib.blake2b(item.tobytes(), digest_size=16).digest() for item in items})


@dataclass(frozen=True)
class Modes:
    """Classes of generated and real images according to a classifier.

    Attributes:
        fake: Number of generated images of each class, [K].
        real: Number of real images of each class, [K].
        slips: False-positive rates, [K]: the fraction of real images of other classes that the classifier assigns to
            a class. That many samples of a class are seen even if the generator never draws it. (For Fashion-MNIST's
            shirts and a classifier with an accuracy of 89 %, it is a third of their share.)
        deviations: z-scores of the mean probabilities of the classes, [K]; see `share_deviations`.
    """

    fake: Int64Array
    real: Int64Array
    slips: Float64Array
    deviations: Float64Array

    @classmethod
    def of(cls, fake: FloatArray, real: FloatArray, labels: Int64Array) -> "Modes":
        """Count the predicted classes.

        Args:
            fake: Class probabilities of generated images, [n, K].
            real: Class probabilities of real images, [m, K].
            labels: Labels of the real images, [m]; -1 if unknown.
        """
        predicted, known = real.argmax(axis=1), labels >= 0
        others = [known & (labels != c) for c in range(real.shape[1])]
        slips = [float((predicted[other] == c).mean()) if other.any() else 0.0 for c, other in enumerate(others)]
        return cls(histogram(fake), histogram(real), np.array(slips), share_deviations(fake, real))

    @property
    def shares(self) -> Float64Array:
        """Share of each class among the real images, [K]."""
        return np.asarray(self.real / self.real.sum(), dtype=np.float64)

    @property
    def expected(self) -> Float64Array:
        """Number of generated images that each class should have, [K]."""
        return self.shares * int(self.fake.sum())

    @property
    def presence(self) -> Float64Array:
        """Fraction of its share that each class has among the generated images, [K].

        1 as among the real images, 0 if the false positives explain all images; NaN if they explain the real ones too.
        """
        own = self.shares - self.slips
        return np.asarray(
            np.divide(self.fake / self.fake.sum() - self.slips, own, out=np.full(len(own), np.nan), where=own > 0),
            dtype=np.float64,
        )

    @property
    def total(self) -> int:
        """Number of classes among the real images."""
        return int((self.real > 0).sum())

    @property
    def missing(self) -> list[int]:
        """Classes of the real images that the generated images lack, beyond chance."""
        few = np.flatnonzero((self.real > 0) & (self.presence < COVERED_SHARE))
        return [int(c) for c in few if self.probability(int(self.fake[c]), int(c)) < CHANCE]

    @property
    def covered(self) -> int:
        """Number of classes that are not missing."""
        return self.total - len(self.missing)

    @property
    def undecidable(self) -> list[int]:
        """Classes whose absence could not be shown: too few images are expected, or the classifier confuses them."""
        slips = np.rint(self.slips * self.fake.sum()).astype(np.int64)
        return [
            int(c)
            for c in np.flatnonzero(self.real > 0)
            if np.isnan(self.presence[c]) or self.probability(int(slips[c]), int(c)) >= CHANCE
        ]

    @property
    def smallest_share(self) -> float | None:
        """The smallest `presence`, at least 0; None if it is NaN for all classes."""
        known = self.presence[(self.real > 0) & ~np.isnan(self.presence)]
        return max(float(known.min()), 0.0) if len(known) else None

    @property
    def kl(self) -> float:
        """KL(generated || real) of the smoothed shares, in nats."""
        return histogram_kl(self.fake, self.real)

    def classes_below(self, presence: float) -> list[int]:
        """Return the classes with less than this `presence`."""
        return [int(c) for c in np.flatnonzero((self.real > 0) & (self.presence < presence))]

    def probability(self, count: int, c: int) -> float:
        """Return the probability that a generator with the real shares draws at most `count` images of class `c`."""
        return binomial_tail(count, int(self.fake.sum()), float(self.shares[c]))


def share_deviations(fake: FloatArray, real: FloatArray) -> Float64Array:
    """Return the z-scores of the mean probabilities of generated images against those of real ones, [K].

    Of an image that the classifier is unsure about, both classes get a part, so that the means vary less than counts.
    With probabilities of 0 and 1 it is the two-proportion z-test.

    Args:
        fake: Class probabilities of generated images, [n, K].
        real: Class probabilities of real images, [m, K].
    """
    difference = fake.mean(axis=0, dtype=np.float64) - real.mean(axis=0, dtype=np.float64)
    variance = np.concatenate([fake, real]).var(axis=0, dtype=np.float64)
    error = np.sqrt(variance * (1 / len(fake) + 1 / len(real)))
    scores: Float64Array = np.divide(difference, error, out=np.zeros(len(error)), where=error > 0)
    return scores


def histogram(predicted: FloatArray) -> Int64Array:
    """Count the most probable classes of predictions [n, K], [K]."""
    return np.bincount(np.argmax(predicted, axis=1), minlength=predicted.shape[1]).astype(np.int64)


def histogram_kl(fake: Int64Array, real: Int64Array) -> float:
    """Compute KL(fake || real) of counts [K], in nats.

    Half a count is added to each class (Jeffreys prior), so an empty class does not make it infinite.
    """
    if len(fake) == 0 or len(fake) != len(real):
        raise InputError(f"class histograms of {len(fake)} and {len(real)} classes cannot be compared")
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (fake, real))
    return max(float(np.sum(p * np.log(p / q))), 0.0)


def kl_null(modes: Modes, seed: int, draws: int = 200) -> tuple[float, float]:
    """Return mean and standard deviation of the KL divergence that sampling alone causes.

    Both histograms are drawn from the real shares, with the numbers of images in `modes`.
    """
    rng = np.random.default_rng(seed)
    shares = (modes.real + 0.5) / (modes.real.sum() + 0.5 * len(modes.real))
    fakes, reals = (
        rng.multinomial(int(counts.sum()), shares, size=draws).astype(np.int64) for counts in (modes.fake, modes.real)
    )
    values = [histogram_kl(fake, real) for fake, real in zip(fakes, reals, strict=True)]
    return float(np.mean(values)), float(np.std(values, ddof=1))


def binomial_tail(count: int, n: int, p: float) -> float:
    """Compute P(X <= count) for X ~ Binomial(n, p) by a recurrence in log space."""
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
