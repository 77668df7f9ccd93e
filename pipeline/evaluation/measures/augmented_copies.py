"""Detect augmented copies of training images: mirrored, shifted by a pixel, brighter, darker or of another contrast.

Each sample is searched among the training images in 27 views: as it is, mirrored and upside down, each at nine
positions. Only the part that remains visible after a shift is compared, in thumbnails whose brightness and contrast are
normalised. Held-out images are searched in the same way, so data whose mirror images are alike need no exception.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.arrays import Float64Array, Int64Array
from pipeline.evaluation.cache import remember
from pipeline.evaluation.extractors.base import Images, Subset, feature_values
from pipeline.evaluation.measures.copies import choose, compare_copies, find_shortage
from pipeline.items import ItemSpec
from pipeline.measure import Measurement
from pipeline.media.registry import tensors_of

SEARCHED = 1000  # images of either side: more show no other copies
SIDE = 12  # pixels of a thumbnail, at most
SHORTEST = 6  # sides below have no pixels to spare for a shift
FLIPS: tuple[tuple[int, ...], ...] = ((), (3,), (2,))  # axes of [n, C, H, W]
BLOCK = 512
EQUAL = 2e-6  # correlations this close to 1 are equal in float32


@dataclass(frozen=True)
class ItemSets:
    """Samples, held-out images and training images.

    Attributes:
        item: Their shape.
        batch_size: Images in memory at a time.
    """

    fake: Images
    heldout: Images
    train: Images
    item: ItemSpec
    batch_size: int

    @property
    def margins(self) -> tuple[int, int]:
        """Pixels at each side, vertical and horizontal, that a shift can hide."""
        seen = tensors_of(self.item).feature_item
        return int(seen.height >= SHORTEST), int(seen.width >= SHORTEST)


def measure_augmented_copies(sets: ItemSets, cache: Path | None = None, key: str = "") -> Measurement:
    """Return the share of samples that are unusually close to a training image in some view.

    Args:
        sets: The images.
        cache: Folder that keeps the distances of real images; None keeps nothing.
        key: Identifies the real images in the cache.

    Returns:
        The share with that of real images as its null; without a value, the reason.
    """
    fake, heldout = choose(len(sets.fake), SEARCHED), choose(len(sets.heldout), SEARCHED)
    if shortage := find_shortage(len(fake), len(heldout), len(sets.train)):
        return Measurement(None, skip=shortage)
    # Pixels know no training, so training images that are left out sharpen the null of every test split that is small.
    left_out = choose(len(sets.train), SEARCHED) if len(heldout) < SEARCHED else np.empty(0, dtype=np.int64)
    train = centre_view(sets)

    def measure_real() -> dict[str, Tensor]:
        distances = [search(sets, sets.heldout, heldout, train)]
        if len(left_out):
            distances.append(search(sets, sets.train, left_out, train, themselves=True))
        return {"distances": torch.from_numpy(np.concatenate(distances))}

    shapes = {"distances": (len(heldout) + len(left_out),)}
    real = remember(cache, "augmented", f"{key} {SEARCHED} {SIDE} {FLIPS}", shapes, measure_real)["distances"].numpy()
    return compare_copies(search(sets, sets.fake, fake, train), real, len(heldout))


def search(
    sets: ItemSets, images: Images, positions: Int64Array, train: Tensor, *, themselves: bool = False
) -> Float64Array:
    """Return the distance of images, in the view that is nearest, to the nearest training image, [n].

    Args:
        sets: Says how images are read.
        images: Set of images.
        positions: Which of them are searched.
        train: Normalised thumbnails of the training images, [m, values].
        themselves: The images are training images; none is compared with itself.
    """
    nearest = torch.full((len(positions),), -1.0)
    memory = torch.empty(BLOCK * len(train))
    size = max(1, BLOCK // 27)
    for start in range(0, len(positions), size):
        chosen = positions[start : start + size]
        views = all_views(read(sets, Subset(images, chosen)), sets.margins)
        out = memory[: len(views) * len(train)].view(len(views), len(train))
        correlations = torch.mm(views, train.T, out=out).view(-1, len(chosen), len(train))
        if themselves:
            correlations[:, torch.arange(len(chosen)), torch.from_numpy(chosen)] = -1.0
        nearest[start : start + size] = correlations.amax(dim=(0, 2))
    apart = (1.0 - nearest).double()
    return torch.where(apart < EQUAL, 0.0, 2.0 * apart).clamp(min=0.0).sqrt().numpy()


def centre_view(sets: ItemSets) -> Tensor:
    """Return the thumbnails of all training images without the margins, [m, values]."""
    (top, left), parts = sets.margins, []
    for start in range(0, len(sets.train), sets.batch_size):
        stop = min(start + sets.batch_size, len(sets.train))
        values = read(sets, Subset(sets.train, np.arange(start, stop)))
        parts.append(normalised_thumbnails(values[:, :, top : values.shape[2] - top, left : values.shape[3] - left]))
    return torch.cat(parts)


def all_views(values: Tensor, margins: tuple[int, int]) -> Tensor:
    """Return the normalised thumbnails of images [n, C, H, W] in every view, [views * n, values]."""
    vertical, horizontal = margins
    height, width = values.shape[2] - 2 * vertical, values.shape[3] - 2 * horizontal
    return torch.cat(
        [
            normalised_thumbnails(flipped[:, :, top : top + height, left : left + width])
            for flipped in (values.flip(axes) if axes else values for axes in FLIPS)
            for top in range(2 * vertical + 1)
            for left in range(2 * horizontal + 1)
        ]
    )


def read(sets: ItemSets, images: Subset) -> Tensor:
    """Return images as float32 [n, C, H, W]; colours become gray, which saves two thirds of the time."""
    values = feature_values(images.images(), tensors_of(sets.item), torch.device("cpu"))
    return values.mean(dim=1, keepdim=True) if sets.item.channels == 3 else values


def normalised_thumbnails(values: Tensor) -> Tensor:
    """Average-pool images [n, C, H, W] to at most 12 pixels a side; subtract the mean and divide by the norm."""
    factors = tuple(-(-side // SIDE) for side in values.shape[2:])
    small = torch.nn.functional.avg_pool2d(values, factors).flatten(1)
    return torch.nn.functional.normalize(small - small.mean(dim=1, keepdim=True), dim=1, eps=1e-6)
