"""Find blends: samples much nearer to the mean of two training items than to any single one, such as double exposures.

Held-out items are compared in the same way. Some of them, too, are nearer to a mean of two others.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float64Array, FloatArray
from pipeline.evaluation.cache import remember
from pipeline.evaluation.measures.copies import LEAST, ImageSets, choose, compare_proportions
from pipeline.measure import Measurement

RARE = 0.01  # share of held-out items that look at least as much like a blend
SAMPLES_MOST, HELDOUT_MOST, TRAIN_MOST = 1000, 1000, 3000
SEEN_MOST = 100  # means of two held-out items, to learn whether blends are seen
PARTNERS = 20  # training items that are tried as one of the two; the other one is any
LEAST_TRAIN = 50
TINY = 1e-9


@dataclass(frozen=True)
class Blends:
    """How many samples look like blends.

    Attributes:
        share: The share that looks more like a blend than 99 % of held-out items, with the share of these as its null.
        seen: Share of the means of two held-out items that does.
    """

    share: Measurement
    seen: float


def find_blends(pictures: ImageSets, cache: Path | None = None, key: str = "") -> Blends | None:
    """Count the samples that look more like a blend than 99 % of held-out items.

    Args:
        pictures: Thumbnails of samples, held-out and training items.
        cache: Folder that keeps what depends on real items only; None keeps nothing.
        key: Identifies the real items in the cache.

    Returns:
        None with fewer than 100 held-out or 50 training items, or without samples.
    """
    if len(pictures.heldout) < LEAST or len(pictures.train) < LEAST_TRAIN or not len(pictures.fake):
        return None
    heldout = pictures.heldout[choose(len(pictures.heldout), HELDOUT_MOST)]
    pairs = Pairs(pictures.train[choose(len(pictures.train), TRAIN_MOST)])

    def measure_real() -> dict[str, torch.Tensor]:
        known = (heldout + heldout[::-1])[: min(SEEN_MOST, len(heldout) // 2)] / 2
        gains = {"gains": pairs.gains(heldout), "of_blends": pairs.gains(known)}
        return {name: torch.from_numpy(values) for name, values in gains.items()}

    named = f"{key} {HELDOUT_MOST} {TRAIN_MOST} {PARTNERS} {SEEN_MOST}"
    shapes = {"gains": (len(heldout),), "of_blends": (min(SEEN_MOST, len(heldout) // 2),)}
    tensors = remember(cache, "blends", named, shapes, measure_real)
    real = tensors["gains"].numpy()
    fake = pairs.gains(pictures.fake[choose(len(pictures.fake), SAMPLES_MOST)])
    limit = float(np.quantile(real, 1 - RARE))
    share = compare_proportions(float(np.mean(fake > limit)), float(np.mean(real > limit)), len(fake), len(real))
    return Blends(share, float(np.mean(tensors["of_blends"].numpy() > limit)))


class Pairs:
    """The means of all pairs of items [m, d], whose distances follow from the products of the items."""

    def __init__(self, items: FloatArray) -> None:
        self.centre = items.mean(axis=0)
        self.items = items - self.centre
        self.products = self.items @ self.items.T
        self.squares = np.diag(self.products)

    def gains(self, others: FloatArray) -> Float64Array:
        """Return the distance of others [n, d] to the nearest item over that to the nearest mean of two items, [n].

        One of the two is searched among those whose mean with the average item is nearest.
        """
        others = others - self.centre
        products, found = others @ self.items.T, np.empty(len(others))
        few = min(PARTNERS, len(self.items) - 1)
        for row, (near, square) in enumerate(zip(products, (others**2).sum(axis=1), strict=True)):
            single = (square - 2 * near + self.squares).min()
            partners = np.argpartition(self.squares / 4 - near, few)[:few]
            sums = self.squares[partners, None] + self.squares + 2 * self.products[partners]
            means = square - near[partners, None] - near + sums / 4
            means[np.arange(few), partners] = np.inf  # a pair is two items
            found[row] = np.sqrt(max(single, TINY) / max(means.min(), TINY))
        return found
