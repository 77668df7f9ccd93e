"""How often samples show the class that was asked for, compared with real items of the class."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float64Array, Int64Array


@dataclass(frozen=True)
class Agreement:
    """Classes asked for and classes that a classifier sees.

    Attributes:
        samples: Number of samples by class asked for (row) and class seen (column), int64 [K, K].
        real: Number of real items by label (row) and class seen (column), int64 [K, K].
    """

    samples: Int64Array
    real: Int64Array

    @classmethod
    def of(
        cls, samples: tuple[Int64Array, Int64Array], real: tuple[Int64Array, Int64Array], classes: int
    ) -> "Agreement":
        """Count pairs (class asked for or label, class seen), each int64 [n]; a label of -1 is unknown."""
        return cls(count_pairs(*samples, classes), count_pairs(*real, classes))

    @property
    def share(self) -> float:
        """Share of the samples that show the class asked for."""
        return float(np.trace(self.samples) / max(self.samples.sum(), 1))

    @property
    def expected(self) -> float:
        """The same share if samples were real items of the classes asked for."""
        weights = self.samples.sum(axis=1)
        return float(np.sum(weights * rates(self.real)) / max(weights.sum(), 1))

    @property
    def relative(self) -> Float64Array:
        """Share of each class's samples that show it, over that of real items of the class, [K].

        NaN for a class that was not asked for or whose real items the classifier does not recognise.
        """
        real, asked = rates(self.real), self.samples.sum(axis=1) > 0
        known = asked & (real > 0)
        return np.where(known, rates(self.samples) / np.where(known, real, 1.0), np.nan)

    @property
    def worst(self) -> int | None:
        """The class with the lowest `relative`; None if no class has one."""
        return None if np.isnan(self.relative).all() else int(np.nanargmin(self.relative))

    def shown_instead(self, c: int) -> int:
        """Return the class that most of the other samples of class `c` show."""
        others = self.samples[c].copy()
        others[c] = -1
        return int(others.argmax())

    def deviation(self, c: int) -> float:
        """Return the z-score of the samples' share of class `c` against that of real items (two-proportion z-test)."""
        return two_proportions(self.samples[c, c], self.samples[c].sum(), self.real[c, c], self.real[c].sum())

    def spread(self) -> float:
        """Return the standard error of `share` minus `expected` for real items: binomial, in both sets."""
        p = min(max(self.expected, 0.5 / max(self.real.sum(), 1)), 1 - 0.5 / max(self.real.sum(), 1))
        return float(np.sqrt(p * (1 - p) * (1 / max(self.samples.sum(), 1) + 1 / max(self.real.sum(), 1))))


def count_pairs(rows: Int64Array, columns: Int64Array, classes: int) -> Int64Array:
    """Count pairs of class numbers, [classes, classes]; pairs with a negative row are left out."""
    known = rows >= 0
    counts = np.bincount(rows[known] * classes + columns[known], minlength=classes**2)
    return counts.reshape(classes, classes).astype(np.int64)


def rates(counts: Int64Array) -> Float64Array:
    """Return the share of each row that is on the diagonal, [K]; 0 for an empty row."""
    shares: Float64Array = np.diag(counts) / np.maximum(counts.sum(axis=1), 1)
    return shares


def two_proportions(a: int, n: int, b: int, m: int) -> float:
    """Return the z-score of the share a / n against b / m; 0 if either is empty."""
    if not n or not m:
        return 0.0
    pooled = (a + b + 0.5) / (n + m + 1)
    return float((a / n - b / m) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)))
