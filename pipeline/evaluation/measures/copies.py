"""Detect copies of training images: compare samples and held-out images with the nearest training images.

Distances are measured in features and in the pixels of thumbnails. Each value has a null: the same measure of held-out
images. FID and coverage do not detect copies; copying improves both.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float32Array, Float64Array, FloatArray, Int64Array
from pipeline.evaluation.cache import remember
from pipeline.evaluation.extractors.base import Images, feature_values
from pipeline.evaluation.measures.bins import assign, k_means
from pipeline.evaluation.measures.calibration import MOST
from pipeline.evaluation.measures.distances import NEAR, nearest, neighbours
from pipeline.items import ItemSpec
from pipeline.measure import Measurement
from pipeline.media.registry import tensors_of

CELLS = 10  # cells of feature space within which C_T compares ranks
SIDE = 16  # pixels of a thumbnail
LEAST = 100  # held-out images that are needed to estimate which distances are small by chance

LEAST_IN_CELL = 10
"""Samples and held-out images that a cell needs for C_T (Meehan et al., 2020, leave out cells that are too small)."""


@dataclass(frozen=True)
class ImageSets:
    """One array for each of three sets of images: features [n, d], or thumbnails [n, values]."""

    fake: FloatArray
    heldout: FloatArray
    train: FloatArray


def thumbnails(items: Images, item: ItemSpec, batch_size: int) -> Float32Array:
    """Average-pool items to a height of about 16 at most and flatten them, [n, values]."""
    parts, tensors = [], tensors_of(item)
    for start in range(0, len(items), batch_size):
        batch = items.images(np.arange(start, min(start + batch_size, len(items))))
        small = feature_values(batch, tensors, torch.device("cpu"))
        if small.shape[2] > SIDE:
            small = torch.nn.functional.avg_pool2d(small, small.shape[2] // SIDE)
        parts.append(small.flatten(1).numpy())
    return np.concatenate(parts) if parts else np.empty((0, 1), dtype=np.float32)


def measure_copies(
    features: ImageSets, pixels: ImageSets, seed: int, cache: Path | None = None, key: str = ""
) -> dict[str, Measurement]:
    """Compute copy rates (in features and in pixels), C_T and AuthPct.

    Args:
        features: Features of the three sets.
        pixels: Thumbnails of the same images.
        seed: Seed of the cells.
        cache: Folder that keeps what depends on real images only; None keeps nothing.
        key: Identifies the real images and the feature extractor in the cache.

    Returns:
        Measurements by name; empty with fewer than 100 samples or held-out images.
    """
    fake, heldout, train = features.fake[:MOST], features.heldout[:MOST], features.train
    if min(len(fake), len(heldout)) < LEAST or len(train) < 2:
        return {}

    def measure_real() -> dict[str, torch.Tensor]:
        distance, position = nearest(heldout, train, 1)
        own = neighbours(train, 1)[0]
        centres = k_means(train, CELLS, seed)
        small = nearest(pixels.heldout[:MOST], pixels.train, 1)[0]
        parts = {"distance": distance, "position": position, "own": own, "small": small, "centres": centres}
        return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in parts.items()}

    n, m = len(fake), len(heldout)
    shapes = {
        "distance": (m, 1),
        "position": (m, 1),
        "own": (len(train), 1),
        "small": (m, 1),
        "centres": (min(CELLS, len(train)), train.shape[1]),
    }
    tensors = remember(cache, "copies", f"{key} {seed} {MOST} {CELLS} {SIDE}", shapes, measure_real)
    real = {name: value.numpy() for name, value in tensors.items()}
    own, centres, real_distance = real["own"][:, 0], real["centres"], real["distance"][:, 0]
    distances, positions = nearest(fake, train, 1)
    distance, position = distances[:, 0], positions[:, 0]
    pixel_distance = nearest(pixels.fake[:MOST], pixels.train, 1)[0][:, 0]
    z = copying(distance, real_distance, assign(fake, centres), assign(heldout, centres))
    authentic = authenticity(distance, position, own)
    real_authentic = authenticity(real_distance, real["position"][:, 0], own)
    return {
        "copies_features": compare_proportions(copy_rate(distance, real_distance), NEAR, n, m),
        "copies_pixels": compare_proportions(copy_rate(pixel_distance, real["small"][:, 0]), NEAR, n, m),
        "copying": Measurement(z, 0.0, 1.0),
        "authenticity": compare_proportions(authentic, real_authentic, n, m),
    }


def compare_proportions(value: float, null: float, n: int, m: int) -> Measurement:
    """Return a proportion of `n` samples with that of `m` real images as its null.

    The spread is the standard deviation of the difference of two proportions that are equal.
    """
    if value < null:
        pooled = min(max((n * value + m * null) / (n + m), 1 / (n + m)), 1 - 1 / (n + m))
    else:
        pooled = max(null, 1 / (n + m))
    return Measurement(value, null, float(np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))))


def copy_rate(fake: Float64Array, heldout: Float64Array, near: float = NEAR) -> float:
    """Return the fraction of samples that are unusually close to a training image; about `near` without copying.

    Args:
        fake: Distances of samples to the nearest training image, [n].
        heldout: Distances of held-out images to the nearest training image, [m].
        near: Quantile of `heldout` below which a distance is unusually small.
    """
    return float(np.mean(fake < np.quantile(heldout, near)))


def authenticity(fake: Float64Array, neighbour: Int64Array, own: Float64Array) -> float:
    """Compute AuthPct: Alaa et al., "How Faithful is your Synthetic Data?" (2022), section 4.2.

    It is the fraction of samples whose nearest training image is closer to another training image than to the sample.

    Args:
        fake: Distances of samples to the nearest training image, [n].
        neighbour: Positions of these training images, [n].
        own: Distance of each training image to the nearest other training image, [m].
    """
    return float(np.mean(own[neighbour] < fake))


def copying(fake: Float64Array, heldout: Float64Array, fake_cells: Int64Array, heldout_cells: Int64Array) -> float:
    """Compute C_T: Meehan et al., "A Non-Parametric Test to Detect Data-Copying" (2020), section 3.2.

    It tests whether samples are closer to training images than held-out images are; values far below 0 mean copying.
    The Mann-Whitney z of the distances is computed in each cell and averaged, weighted by the cell's held-out images.

    Args:
        fake: Distances of samples to the nearest training image, [n].
        heldout: Distances of held-out images to the nearest training image, [m].
        fake_cells: Cells of the samples, [n].
        heldout_cells: Cells of the held-out images, [m].

    Returns:
        The weighted z; 0 if no cell has enough samples and held-out images.
    """
    total, weight = 0.0, 0
    for cell in np.unique(heldout_cells):
        a, b = fake[fake_cells == cell], heldout[heldout_cells == cell]
        if min(len(a), len(b)) >= LEAST_IN_CELL:
            total += len(b) * mann_whitney(a, b)
            weight += len(b)
    return total / weight if weight else 0.0


def mann_whitney(a: Float64Array, b: Float64Array) -> float:
    """Compute the z-score of the rank sum of `a`, corrected for ties (Mann and Whitney, 1947).

    It is negative if values of `a` tend to be smaller than values of `b`.
    """
    m, n = len(a), len(b)
    values, inverse, ties = np.unique(np.concatenate([a, b]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[inverse]
    u = ranks[:m].sum() - m * (m + 1) / 2
    spread = m * n / 12 * ((m + n + 1) - float(np.sum(ties.astype(np.float64) ** 3 - ties)) / ((m + n) * (m + n - 1)))
    return float((u - m * n / 2) / np.sqrt(spread)) if len(values) > 1 else 0.0
