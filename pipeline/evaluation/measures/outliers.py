"""Find samples that no real item is like, however good the others are: the share of broken samples.

The distance of each sample to its neighbours among the training items is compared with that of held-out items. The
features of an untrained network and thumbnails see more than a classifier's features, which ignore what tells no
classes apart. An item is as unusual as it is in the space where it is most unusual.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float64Array, FloatArray, Int64Array
from pipeline.evaluation.cache import remember
from pipeline.evaluation.measures.calibration import MOST
from pipeline.evaluation.measures.copies import LEAST, ImageSets, compare_proportions
from pipeline.evaluation.measures.distances import nearest
from pipeline.measure import Measurement

K = 5  # neighbours; a single one would make copies of training items look typical
RARE = 0.01  # share of held-out items that are at least as unusual as an outlier
FAR = 1.2  # multiple of the most unusual held-out item that no real item reaches
SAMPLES_MOST = 10_000
LEAST_SPREAD = 0.1  # of the median spread: nearly constant features must not decide
TRAIN_MOST = 5_000  # training items in which neighbours are searched


@dataclass(frozen=True)
class Outliers:
    """How unusual samples and held-out items are: 1 is the 99 % quantile of the held-out items.

    Attributes:
        samples: Of the first samples, 10,000 at most, [n].
        heldout: Of the held-out items, [m].
    """

    samples: Float64Array
    heldout: Float64Array

    @property
    def limit(self) -> float:
        """What 99 % of the held-out items do not exceed."""
        return float(np.quantile(self.heldout, 1 - RARE))

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
        """The share of samples that are more unusual than 99 % of the held-out items."""
        share, null = (float(np.mean(scores > self.limit)) for scores in (self.samples, self.heldout))
        return compare_proportions(share, null, len(self.samples), len(self.heldout))

    @property
    def far(self) -> float:
        """The share of samples that are far more unusual than every held-out item."""
        return float(np.mean(self.samples > FAR * self.heldout.max()))

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
    if len(first.heldout) < LEAST or not len(first.fake) or len(first.train) < K:
        return None
    heldout = [space.heldout[:MOST] for space in spaces]
    chosen = np.linspace(0, len(first.train) - 1, min(len(first.train), TRAIN_MOST)).astype(np.int64)
    train = [space.train[chosen] for space in spaces]

    def measure_real() -> dict[str, torch.Tensor]:
        return {"distances": torch.from_numpy(np.stack([distance(a, b) for a, b in zip(heldout, train, strict=True)]))}

    shapes = {"distances": (len(spaces), len(heldout[0]))}
    real = remember(cache, "outliers", f"{key} {MOST} {TRAIN_MOST} {K}", shapes, measure_real)["distances"].numpy()
    scales = np.maximum(np.quantile(real, 1 - RARE, axis=1, keepdims=True), 1e-12)
    samples = np.stack([distance(space.fake[:SAMPLES_MOST], near) for space, near in zip(spaces, train, strict=True)])
    return Outliers((samples / scales).max(axis=0), (real / scales).max(axis=0))


def distance(items: FloatArray, train: FloatArray) -> Float64Array:
    """Return the distance of each item [n, d] to its fifth neighbour in `train` [m, d], [n]."""
    found: Float64Array = nearest(items, train, K)[0][:, -1]
    return found


def standardise(sets: ImageSets) -> ImageSets:
    """Scale features to the spread of the training items, so that each counts as much as any other.

    Features that hardly vary, such as the mean of a corner that is always black, are scaled by a tenth of the median
    spread. Otherwise one gray level there makes every real image an outlier.
    """
    mean, spread = sets.train.mean(axis=0), sets.train.std(axis=0)
    spread = np.maximum(spread, max(LEAST_SPREAD * float(np.median(spread)), 1e-6))
    return ImageSets(*((features - mean) / spread for features in (sets.fake, sets.heldout, sets.train)))
