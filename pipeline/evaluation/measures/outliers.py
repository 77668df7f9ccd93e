"""Find samples that no real item is like, however good the others are: the share of broken samples.

The distance of each sample to its neighbours among the training items is compared with that of real items: held-out
ones, and training items, each of which is left out of its own neighbours. The features of an untrained network and
thumbnails see more than a classifier's features, which ignore what tells no classes apart. An item is as unusual as it
is in the space where it is most unusual.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float64Array, FloatArray, Int64Array
from pipeline.evaluation.cache import remember
from pipeline.evaluation.measures.calibration import MOST
from pipeline.evaluation.measures.copies import (
    LEAST,
    LEAST_SCORE,
    SMALLEST_TAIL,
    ImageSets,
    compare_proportions,
    count_independent,
)
from pipeline.evaluation.measures.distances import nearest
from pipeline.measure import Measurement

TAIL_LEAST = 10  # largest values that a tail index is estimated from, at least
STEEPEST = 50.0  # tail index, at most: equal values have none
K = 5  # neighbours; a single one would make copies of training items look typical
RARE = 0.01  # share of real items that are at least as unusual as an outlier
RAREST = 0.001  # share of real items that far outliers are compared with
FAR = 1.2  # multiple of what these reach that hardly any other real item reaches
SAMPLES_MOST = 10_000
LEAST_SPREAD = 0.1  # of the median spread: nearly constant features must not decide
TRAIN_MOST = 5_000  # training items in which neighbours are searched


@dataclass(frozen=True)
class Outliers:
    """How unusual samples and real items are: 1 is about the 99 % quantile of the real items.

    Attributes:
        samples: Of the first samples, 10,000 at most, [n].
        real: Of real items, [m].
        independent: Number of real items whose values are independent.
    """

    samples: Float64Array
    real: Float64Array
    independent: int

    @property
    def limit(self) -> float:
        """What 99 % of the real items do not exceed."""
        return float(np.quantile(self.real, 1 - RARE))

    @property
    def typical(self) -> Int64Array:
        """Positions of the samples within that limit."""
        return np.flatnonzero(self.samples <= self.limit)

    @property
    def unusual(self) -> Int64Array:
        """Positions of the samples beyond that limit."""
        return np.flatnonzero(self.samples > self.limit)

    @property
    def rare(self) -> Measurement:
        """The share of samples that are more unusual than 99 % of the real items."""
        share, null = (float(np.mean(scores > self.limit)) for scores in (self.samples, self.real))
        return compare_proportions(share, null, len(self.samples), self.independent)

    @property
    def far(self) -> Measurement:
        """The share of samples that are far more unusual than all but one in a thousand real items.

        The spread is such that z is the score of the sample whose number and distance chance explains least; see
        `tail_score`. Two of 300 samples a little farther than all of 300 real items are chance.
        """
        beyond = np.sort(self.samples[self.samples > FAR * self.rarest])[::-1]
        share = len(beyond) / len(self.samples)
        return Measurement(share, 0.0, share / max(self.tail_score(beyond), LEAST_SCORE))

    @property
    def rank(self) -> int:
        """Real items that are at least as unusual as `rarest`: one in a thousand."""
        return max(1, int(RAREST * len(self.real)))

    @cached_property
    def rarest(self) -> float:
        """How unusual the one in a thousand real items is; a single odd one does not raise it."""
        return float(np.sort(self.real)[-self.rank])

    def tail_score(self, beyond: Float64Array) -> float:
        """Return the normal score of the least probable of these counts: k samples at least as unusual as sample k.

        The rate beyond number j of m real items follows a gamma distribution with shape j and scale 1 / m. Beyond r
        times its value the rate is r^-a of that, with the tail index a of Hill, "A Simple General Approach to Inference
        About the Tail of a Distribution" (1975). So counts among n other real items are negative binomial with j
        successes of probability 1 / (1 + n r^-a / m).

        Args:
            beyond: Samples that are more unusual than `rarest`, in descending order.
        """
        from scipy.stats import nbinom, norm

        if not len(beyond) or self.rarest <= 0:
            return 0.0
        expected = len(self.samples) / self.independent * (beyond / self.rarest) ** -tail_index(self.real)
        successes = max(1, self.rank * self.independent // len(self.real))
        tails = nbinom.sf(np.arange(len(beyond)), successes, 1 / (1 + expected))
        return float(norm.isf(max(float(tails.min()), SMALLEST_TAIL)))

    @property
    def order(self) -> Int64Array:
        """Positions of the samples, the most unusual first."""
        return np.argsort(-self.samples, kind="stable").astype(np.int64)


def find_outliers(spaces: Sequence[ImageSets], cache: Path | None = None, key: str = "") -> Outliers | None:
    """Measure how unusual samples are.

    Args:
        spaces: Features of samples, held-out and training items, in one space or in several.
        cache: Folder that keeps what depends on real items only; None keeps nothing.
        key: Identifies the real items and the spaces in the cache.

    Returns:
        None with fewer than 100 held-out items, or without samples.
    """
    first = spaces[0]
    if len(first.heldout) < LEAST or not len(first.fake) or len(first.train) <= K:
        return None
    heldout = [space.heldout[:MOST] for space in spaces]
    chosen = np.linspace(0, len(first.train) - 1, min(len(first.train), TRAIN_MOST)).astype(np.int64)
    train = [space.train[chosen] for space in spaces]

    def measure_real() -> dict[str, torch.Tensor]:
        rows = [np.append(distance(a, b), distance(b, b, K + 1)) for a, b in zip(heldout, train, strict=True)]
        return {"distances": torch.from_numpy(np.stack(rows))}

    shapes = {"distances": (len(spaces), len(heldout[0]) + len(chosen))}
    real = remember(cache, "outliers", f"{key} {MOST} {TRAIN_MOST} {K}", shapes, measure_real)["distances"].numpy()
    scales = np.maximum(np.quantile(real, 1 - RARE, axis=1, keepdims=True), 1e-12)
    samples = np.stack([distance(space.fake[:SAMPLES_MOST], near) for space, near in zip(spaces, train, strict=True)])
    independent = count_independent(real.shape[1], len(heldout[0]))
    return Outliers((samples / scales).max(axis=0), (real / scales).max(axis=0), independent)


def tail_index(values: Float64Array) -> float:
    """Return a of the power -a of a value, by which the shares of larger ones fall in the largest twentieth.

    It is two standard errors, a / sqrt(k) each, below the estimate from k values.
    """
    ordered = np.sort(values)[::-1]
    k = max(TAIL_LEAST, len(ordered) // 20)
    logs = np.log(np.maximum(ordered[:k], 1e-12) / max(ordered[k], 1e-12))
    return float(min((k - 2 * np.sqrt(k)) / max(logs.sum(), 1e-12), STEEPEST))


def distance(items: FloatArray, train: FloatArray, k: int = K) -> Float64Array:
    """Return the distance of each item [n, d] to its neighbour number `k` in `train` [m, d], [n].

    Training items find themselves first, so their neighbour number K + 1 is number K among the others.
    """
    found: Float64Array = nearest(items, train, k)[0][:, -1]
    return found


def standardise(sets: ImageSets) -> ImageSets:
    """Scale features to the spread of the training items, so that each counts as much as any other.

    Features that hardly vary, such as the mean of a corner that is always black, are scaled by a tenth of the median
    spread. Otherwise one gray level there makes every real image an outlier.
    """
    mean, spread = sets.train.mean(axis=0), sets.train.std(axis=0)
    spread = np.maximum(spread, max(LEAST_SPREAD * float(np.median(spread)), 1e-6))
    return ImageSets(*((features - mean) / spread for features in (sets.fake, sets.heldout, sets.train)))
