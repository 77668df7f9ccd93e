"""Statistics of translations in feature space.

Distances are taken at one size: of the translations, and of the untranslated inputs, to held-out images of the target
domain, and between real images (the null). A distance between few images is biased, and all three are biased alike.
The null splits held-out and training images of the target domain, pooled, in two: a small test split alone would say
little, and no extractor that is used here was trained on them.
"""

from dataclasses import dataclass
from statistics import fmean

import numpy as np
import torch
from torch.nn.functional import pdist

from pipeline.arrays import Float32Array
from pipeline.evaluation.measures.copies import compare_proportions
from pipeline.evaluation.measures.distances import neighbours
from pipeline.evaluation.measures.fid import Side, fid
from pipeline.evaluation.measures.intervals import interval_of_draws
from pipeline.evaluation.reference import DRAWS, DRAWS_WIDE
from pipeline.measure import Interval, Measurement

FEWEST = 10
"""Images on each side, below which no distance means anything."""

SIGNIFICANCE = 5.0
"""Standard deviations of the null by which the inputs must differ from the target domain."""

PAIRED = 512
"""Most images whose pairwise distances are measured."""

REPEATED = 0.25
"""An image repeats another if it is nearer than this part of the usual distance between nearest images."""

WIDE = 512


@dataclass(frozen=True)
class Distances:
    """Fréchet distances at one size `n`, as means over draws.

    Attributes:
        translated, inputs: Of translations and of untranslated inputs to the target domain.
        null: Between real images of the target domain.
        spread: Standard deviation of the null over the draws.
        interval: Interval of `translated` over the draws; None if unknown.
    """

    n: int
    translated: float
    inputs: float
    null: float
    spread: float
    interval: Interval | None = None

    @property
    def ratio(self) -> float | None:
        """The distance of the translations over that of the inputs."""
        return self.translated / self.inputs if self.inputs > 0 else None

    @property
    def excess(self) -> float | None:
        """The distance beyond the null, relative to that of the inputs: 0 is perfect, 1 has gained nothing.

        None if the inputs are within 5 standard deviations of the null.
        """
        apart = self.apart
        return None if apart is None else (self.translated - self.null) / apart

    @property
    def excess_interval(self) -> Interval | None:
        """Interval of `excess` over the draws; None without either."""
        apart = self.apart
        return None if apart is None or self.interval is None else self.interval.rescale(1 / apart, -self.null / apart)

    @property
    def apart(self) -> float | None:
        """Distance of the inputs beyond the null; None within 5 standard deviations of the null."""
        apart = self.inputs - self.null
        return apart if apart > max(SIGNIFICANCE * self.spread, 1e-9) else None


def draws(dims: int) -> int:
    """Return how many draws a mean distance is taken over."""
    return DRAWS if dims <= WIDE else DRAWS_WIDE


def compare_distances(
    translated: Float32Array, inputs: Float32Array, target: Float32Array, train: Float32Array, seed: int
) -> Distances | None:
    """Return the distances of features [n, d] to the target domain; None if there are fewer than 10 images.

    Args:
        target, train: Held-out and training images of the target domain.
    """
    pool = np.concatenate([target, train])
    n = min(len(translated), len(target), len(pool) // 2)
    if n < FEWEST:
        return None
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws(translated.shape[1])):
        chosen, order = rng.choice(len(translated), n, replace=False), rng.permutation(len(pool))
        real = Side(target[rng.choice(len(target), n, replace=False)])
        null = fid(pool[order[:n]], pool[order[n : 2 * n]])
        values.append([fid(translated[chosen], real), fid(inputs[chosen], real), null])
    ours, theirs, null = (float(value) for value in np.mean(values, axis=0))
    spread, interval = float(np.std([row[2] for row in values], ddof=1)), interval_of_draws([row[0] for row in values])
    return Distances(n, ours, theirs, null, spread, interval)


def count_repeats(translated: Float32Array, inputs: Float32Array, target: Float32Array, finite: int) -> Measurement:
    """Return the share of translations that repeat another; the null is that of inputs or real images.

    An image repeats another if its nearest other is nearer than a quarter of the usual distance between nearest
    images. `finite` is the number of images from which the spread of the null follows.
    """
    n = min(len(translated), len(target))
    if n < FEWEST:
        return Measurement(None)
    ours, theirs, real = (neighbours(features[:n], 1)[0][:, 0] for features in (translated, inputs, target))
    usual = float(np.median(real))
    repeated_real = float(np.mean(real < REPEATED * usual))
    repeated_inputs = float(np.mean(theirs < REPEATED * float(np.median(theirs))))
    share, null = float(np.mean(ours < REPEATED * usual)), max(repeated_real, repeated_inputs)
    return Measurement(share, null, compare_proportions(share, null, finite, finite).spread)


def input_dependence(first: Float32Array, second: Float32Array, target: Float32Array) -> float | None:
    """Return how much translations of different inputs under equal styles differ, relative to the target domain.

    Args:
        first, second: Features [m, d] of the translations of two inputs each.
    """
    real = mean_distance(target)
    if not len(first) or real <= 0:
        return None
    return float(np.linalg.norm(first.astype(np.float64) - second, axis=1).mean()) / real


def style_diversity(styles: Float32Array) -> float:
    """Return the mean distance between two styles of one input; `styles` are features [m, k, d] of k styles each."""
    return fmean(mean_distance(one) for one in styles)


def mean_distance(features: Float32Array) -> float:
    """Return the mean distance between two of (at most 512 of) the features [n, d]; 0 for fewer than two."""
    return float(pdist(torch.from_numpy(features[:PAIRED]).double()).mean()) if len(features) > 1 else 0.0
