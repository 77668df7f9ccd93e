"""Estimate which share of the samples is altered in a known way, such as turned by 90 degrees.

A classifier that learned to recognise the alterations gives each item a score. Held-out items show how often it is
wrong about intact ones, and how often it recognises altered ones. The share of samples above a threshold is corrected
by both: the adjusted count of Forman, "Quantifying counts and costs via classification" (2008), equation 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float64Array, Int64Array
from pipeline.measure import Measurement

LEAST = 100
"""Held-out items below which nothing is estimated."""
NEAR_BEST = 1.25
"""Of all thresholds whose chance is at most this multiple of the least, the highest is taken."""
TINY = 1e-9
SEEN = 0.05
"""Share of altered items beyond that of intact ones which must be recognised."""


def score(probabilities: Float64Array, groups: Sequence[str]) -> Float64Array:
    """Return how much each alteration is seen, [n, k] in 0 .. 1.

    It is the probability of the alteration over that of all but the others of its group. An image that is upside down
    may look like one that is rotated by 180 degrees, which is no evidence that it is intact.

    Args:
        probabilities: Of an intact item and of each alteration, [n, 1 + k].
        groups: The group of each alteration.
    """
    altered = probabilities[:, 1:]
    same = np.equal.outer(np.asarray(groups), np.asarray(groups)).astype(np.float64)
    others = altered @ same - altered
    scores: Float64Array = altered / np.maximum(1 - others, TINY)
    return scores


@dataclass(frozen=True)
class Detector:
    """A threshold of the scores of one alteration, and what it finds in held-out items.

    Attributes:
        threshold: Scores above it count as altered.
        intact: Share of intact held-out items that do.
        altered: Share of altered held-out items that do.
        heldout: Number of held-out items.
    """

    threshold: float
    intact: float
    altered: float
    heldout: int

    @property
    def gain(self) -> float:
        """Share of altered items beyond that of intact ones."""
        return self.altered - self.intact

    def estimate(self, scores: Float64Array) -> Measurement:
        """Return the share of altered samples; its spread is what intact samples show by chance.

        Two of 50 samples above a threshold are no rare chance, though they are many standard deviations. So the spread
        is also as large as the binomial distribution makes it.
        """
        from scipy.stats import binom, norm

        above = int(np.sum(scores > self.threshold))
        found = (above / len(scores) - self.intact) / self.gain
        rate = (self.intact * self.heldout + 1) / (self.heldout + 1)
        spread = np.sqrt(rate * (1 - rate) * (1 / len(scores) + 1 / self.heldout)) / self.gain
        deviations = norm.isf(binom.sf(above - 1, len(scores), rate))
        spread = max(spread, found / max(deviations, 1.0))
        return Measurement(min(max(found, 0.0), 1.0), 0.0, float(spread))


def fit_detector(intact: Float64Array, altered: Float64Array) -> Detector | None:
    """Choose the threshold by which the share of altered samples is least uncertain.

    Args:
        intact: Scores of held-out items, [m].
        altered: Scores of the same items after the alteration, [m].

    Returns:
        None if no threshold tells them apart.
    """
    m = len(intact)
    thresholds = np.unique(np.concatenate([intact, altered]))
    above = [1 - np.searchsorted(np.sort(scores), thresholds, side="right") / m for scores in (intact, altered)]
    gain, rate = above[1] - above[0], (above[0] * m + 1) / (m + 1)
    if not (gain >= SEEN).any():
        return None
    chance = np.where(gain >= SEEN, np.sqrt(rate * (1 - rate)) / np.maximum(gain, SEEN), np.inf)
    best = int(np.flatnonzero(chance <= NEAR_BEST * chance.min())[-1])
    return Detector(float(thresholds[best]), float(above[0][best]), float(above[1][best]), m)


@dataclass(frozen=True)
class Altered:
    """How many samples are altered in each known way.

    Attributes:
        positions: The samples that were scored, [n].
        intact: Their probability of being intact, [n].
        scores: How much each alteration is seen in them, by its name, [n] each.
        detectors: Thresholds by name; None for an alteration that is not recognised.
    """

    positions: Int64Array
    intact: Float64Array
    scores: Mapping[str, Float64Array]
    detectors: Mapping[str, Detector | None]

    @property
    def shares(self) -> dict[str, Measurement]:
        """Shares of altered samples by name, the most certain first."""
        found = {name: one.estimate(self.scores[name]) for name, one in self.detectors.items() if one is not None}
        return dict(sorted(found.items(), key=lambda pair: -(pair[1].z or 0.0)))

    def share(self, names: Sequence[str]) -> Measurement:
        """Return the most certain share of these alterations; no number if none of them is recognised."""
        return next((found for name, found in self.shares.items() if name in names), Measurement(None))

    def examples(self, name: str) -> Int64Array:
        """Return the positions of the samples that look altered in one way, the clearest first."""
        detector = self.detectors[name]
        assert detector is not None
        order = np.argsort(-self.scores[name], kind="stable")
        return self.positions[order[: int(np.sum(self.scores[name] > detector.threshold))]]

    def without(self, name: str) -> Int64Array:
        """Return the positions of the scored samples that look intact rather than altered in one way."""
        return self.positions[self.scores[name] <= self.intact]
