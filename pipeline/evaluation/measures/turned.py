"""Find samples that are mirrored or turned: they would be nearer to training items if they were turned back.

Each sample is compared with the training items as it is and in every other orientation. Held-out items are compared in
the same way, so items that look alike in several orientations, such as textures, need no exception.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import BoolArray, Float32Array, Float64Array, Int64Array, Items
from pipeline.evaluation.cache import remember
from pipeline.evaluation.extractors.base import ArrayItems, Images
from pipeline.evaluation.measures.copies import LEAST, choose, compare_proportions, thumbnails
from pipeline.evaluation.measures.distances import nearest
from pipeline.items import ItemSpec
from pipeline.measure import Measurement
from pipeline.media.profiles import Change

K = 5  # neighbours; a single one would make copies of training items look upright
RARE = 0.01  # share of held-out items that look at least as much as if they were turned
SAMPLES_MOST, HELDOUT_MOST, TRAIN_MOST = 1000, 1000, 3000
SEEN_MOST = 100  # held-out items that are turned to learn whether that is seen
TINY = 1e-9


@dataclass(frozen=True)
class Turned:
    """How much nearer the compared samples come to training items if they are turned back.

    Attributes:
        positions: The samples that were compared, [n].
        samples: Their distance to training items over that in the best other orientation, [n]; 0 for samples that are
            unlike any real item in every other orientation.
        best: Which of `symmetries` that is, [n].
        heldout: The same ratio of held-out items, [m].
        symmetries: The orientations.
        seen: Share of the held-out items that would look turned if each were, by the name of the orientation; of
            several with the same name the smallest.
    """

    positions: Int64Array
    samples: Float64Array
    best: Int64Array
    heldout: Float64Array
    symmetries: Sequence[Change]
    seen: Mapping[str, float]

    @property
    def limit(self) -> float:
        """Ratio from which an item looks turned: more than 99 % of the held-out items do, and nearer to the others."""
        return limit_of(self.heldout)

    @property
    def is_turned(self) -> BoolArray:
        """Whether a sample looks turned, [n]."""
        return self.samples > self.limit

    @property
    def share(self) -> Measurement:
        """The share of these samples, with that of held-out items as its null."""
        null = float(np.mean(self.heldout > self.limit))
        return compare_proportions(float(self.is_turned.mean()), null, len(self.samples), len(self.heldout))

    @property
    def upright(self) -> Int64Array:
        """Positions of the compared samples that do not look turned."""
        return self.positions[~self.is_turned]

    @property
    def examples(self) -> Int64Array:
        """Positions of the samples that look turned, the clearest first."""
        order = np.argsort(-self.samples, kind="stable")
        return self.positions[order[: int(self.is_turned.sum())]]

    @property
    def words(self) -> list[tuple[float, str]]:
        """Shares of the compared samples by what was done to them, the largest share first."""
        counts = np.bincount(self.best[self.is_turned], minlength=len(self.symmetries)) / len(self.samples)
        return [(float(counts[k]), self.symmetries[k].words) for k in np.argsort(-counts, kind="stable") if counts[k]]


@dataclass(frozen=True)
class RealSets:
    """Held-out and training items, and how their pictures are computed."""

    heldout: Images
    train: Images
    item: ItemSpec
    batch_size: int


def find_turned(
    samples: Items, real: RealSets, symmetries: Sequence[Change], cache: Path | None = None, key: str = ""
) -> Turned | None:
    """Compare samples and held-out items in every orientation with the training items.

    Args:
        samples: Stored items, [n, H, W, C].
        real: The real items.
        symmetries: The other orientations, each of which `undo` turns back.
        cache: Folder that keeps what depends on real items only; None keeps nothing.
        key: Identifies the real items in the cache.

    Returns:
        None without orientations or samples, with fewer than 100 held-out items, or too few training items.
    """
    if not symmetries or not len(samples) or len(real.heldout) < LEAST or len(real.train) < K:
        return None
    train = small(real.train.images(choose(len(real.train), TRAIN_MOST)), real)
    heldout = choose(len(real.heldout), HELDOUT_MOST)

    def measure_real() -> dict[str, torch.Tensor]:
        items = real.heldout.images(heldout)
        far = np.quantile(distance(items, train, real), 1 - RARE)
        ratios = compare(items, train, real, symmetries, far)[0]
        known = items[choose(len(items), SEEN_MOST)]
        turned = [compare(one.undo(known), train, real, symmetries, far)[0] for one in symmetries]
        seen = [np.mean(found > limit_of(ratios)) for found in turned]
        found = {"ratios": ratios, "seen": np.array(seen), "far": np.array([far])}
        return {name: torch.from_numpy(values) for name, values in found.items()}

    named = f"{key} {[one.words for one in symmetries]} {HELDOUT_MOST} {TRAIN_MOST} {K} {SEEN_MOST}"
    shapes = {"ratios": (len(heldout),), "seen": (len(symmetries),), "far": (1,)}
    tensors = remember(cache, "turned", named, shapes, measure_real)
    seen: dict[str, float] = {}
    for one, share in zip(symmetries, tensors["seen"].tolist(), strict=True):
        seen[one.name] = min(share, seen.get(one.name, 1.0))
    positions = choose(len(samples), SAMPLES_MOST)
    found, best = compare(samples[positions], train, real, symmetries, float(tensors["far"][0]))
    return Turned(positions, found, best, tensors["ratios"].numpy(), symmetries, seen)


def limit_of(ratios: Float64Array) -> float:
    """Return what 99 % of the ratios of held-out items do not exceed; at least 1."""
    return max(1.0, float(np.quantile(ratios, 1 - RARE)))


def compare(
    items: Items, train: Float32Array, real: RealSets, symmetries: Sequence[Change], far: float
) -> tuple[Float64Array, Int64Array]:
    """Return the distance to training items over that in the best other orientation [n], and which that is [n].

    The ratio is 0 for items whose other distance is above `far`: turned back, they would still be unlike any real item.
    """
    as_is = distance(items, train, real)
    others = np.stack([distance(one.undo(items), train, real) for one in symmetries])
    least = others.min(axis=0)
    ratios: Float64Array = np.where(least > far, 0.0, (as_is + TINY) / (least + TINY))
    return ratios, others.argmin(axis=0).astype(np.int64)


def distance(items: Items, train: Float32Array, real: RealSets) -> Float64Array:
    """Return the distance of each item to its fifth neighbour among the training items, [n]."""
    found: Float64Array = nearest(small(items, real), train, K)[0][:, -1]
    return found


def small(items: Items, real: RealSets) -> Float32Array:
    """Return thumbnails of items, [n, values]."""
    return thumbnails(ArrayItems(items), real.item, real.batch_size)
