"""Detect copies of training images: compare samples and held-out images with the nearest training images.

Distances are measured in features and in the pixels of thumbnails. Each value has a null: the same measure of held-out
images. FID and coverage do not detect copies; copying improves both.

A small test split holds too few images to tell which distances are small by chance. Cross-validation then extends it:
every training image is left out once and compared with the other training images. Only one image is missing from the
set that it is compared with, so distances need no correction for the size. Three things could bias this null:

- The generator has seen the training images. This does not matter, because none is compared with itself.
- Two training images that are nearest to each other share one distance, so the distances count as half as many.
- A classifier draws its own training images together. Distances of its features are then too small, so fewer samples
  count as copies. Pixels have no such bias.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import torch

from pipeline.arrays import BoolArray, Float32Array, Float64Array, FloatArray, Int64Array
from pipeline.evaluation.cache import remember
from pipeline.evaluation.extractors.base import Images, feature_values
from pipeline.evaluation.measures.bins import assign, k_means
from pipeline.evaluation.measures.calibration import MOST, small_distance
from pipeline.evaluation.measures.distances import nearest, neighbours
from pipeline.items import ItemSpec
from pipeline.measure import Measurement
from pipeline.media.registry import tensors_of

CELLS = 10  # cells of feature space within which C_T compares ranks
SIDE = 16  # pixels of a thumbnail
LEAST = 100  # samples, and distances of real images, that are needed to tell which distances are small by chance
LEAST_SCORE = 0.1  # keeps a spread finite
SMALLEST_TAIL = 1e-300  # a smaller probability has no normal score in float64

MEASURES = ("copies_features", "copies_pixels", "copying", "authenticity")

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


def choose(n: int, most: int) -> Int64Array:
    """Return the positions of at most `most` of n items, evenly spaced."""
    return np.linspace(0, n - 1, min(n, most)).astype(np.int64)


@dataclass(frozen=True)
class Null:
    """How far real images are from the nearest training image: held-out images, then left-out training images.

    Attributes:
        distance: Distances in features, [m].
        small: Distances in thumbnails, [m].
        authentic: Whether the nearest training image is closer to another training image, [m].
    """

    distance: Float64Array
    small: Float64Array
    authentic: BoolArray


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
        Measurements by name; those of too few images have no value, and say which images are too few.
    """
    fake, heldout, train = features.fake[:MOST], features.heldout[:MOST], features.train
    if shortage := find_shortage(len(fake), len(heldout), len(train)):
        return {name: Measurement(None, skip=shortage) for name in MEASURES}
    left_out = len(heldout) < LEAST

    def measure_real() -> dict[str, torch.Tensor]:
        distance, position = nearest(heldout, train, 1)
        own, own_position = neighbours(train, 1)
        small = nearest(pixels.heldout[:MOST], pixels.train, 1)[0]
        parts = {"distance": distance, "position": position, "own": own, "own_position": own_position, "small": small}
        parts |= {"own_small": neighbours(pixels.train, 1)[0]} if left_out else {}
        parts |= {"centres": k_means(train, CELLS, seed)}
        return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in parts.items()}

    m, every = len(heldout), (len(train), 1)
    shapes = {"distance": (m, 1), "position": (m, 1), "own": every, "own_position": every, "small": (m, 1)}
    shapes |= {"own_small": every} if left_out else {}
    shapes |= {"centres": (min(CELLS, len(train)), train.shape[1])}
    tensors = remember(cache, "copies", f"{key} {seed} {MOST} {CELLS} {SIDE}", shapes, measure_real)
    real = {name: value.numpy() for name, value in tensors.items()}
    null = build_null(real)
    distances, positions = nearest(fake, train, 1)
    distance = distances[:, 0]
    pixel_distance = nearest(pixels.fake[:MOST], pixels.train, 1)[0][:, 0]
    seen = np.concatenate([heldout, train]) if left_out else heldout
    z = copying(distance, null.distance, assign(fake, real["centres"]), assign(seen, real["centres"]))
    authentic = authenticity(distance, positions[:, 0], real["own"][:, 0])
    return {
        "copies_features": compare_copies(distance, null.distance, m),
        "copies_pixels": compare_copies(pixel_distance, null.small, m),
        "copying": Measurement(z, 0.0, 1.0),
        "authenticity": compare_proportions(
            authentic, float(null.authentic.mean()), len(fake), count_independent(len(null.distance), m)
        ),
    }


def find_shortage(fake: int, heldout: int, train: int) -> str:
    """Return why copies cannot be searched with these numbers of images; empty if they can."""
    if fake < LEAST:
        return f"only {fake:,} finite samples, {LEAST} are needed: raise evaluate.samples"
    if train < 3:
        return f"only {train:,} training images"
    if heldout + train < LEAST:
        return f"only {heldout + train:,} real images, {LEAST} are needed to tell which distances are small by chance"
    return ""


def build_null(real: dict[str, Float64Array]) -> Null:
    """Return the distances of real images; training images take part if `real` holds their thumbnails' distances."""
    distance, position, small, own = (real[name][:, 0] for name in ("distance", "position", "small", "own"))
    if "own_small" in real:
        distance = np.concatenate([distance, own])
        position = np.concatenate([position, real["own_position"][:, 0]])
        small = np.concatenate([small, real["own_small"][:, 0]])
    return Null(distance, small, own[position.astype(np.int64)] < distance)


def count_independent(distances: int, heldout: int) -> int:
    """Return the number of independent distances; two training images that are left out can share one."""
    return heldout + (distances - heldout) // 2


def compare_copies(fake: Float64Array, real: Float64Array, heldout: int) -> Measurement:
    """Return the share of samples that are unusually close to a training image, with that of real images as its null.

    The spread is such that z is the normal score of Fisher's exact test: the share of a few real images is skewed.

    Args:
        fake: Distances of samples to the nearest training image, [n].
        real: Distances of real images to the nearest training image, [m].
        heldout: The first of `real` are held-out images, the others training images that were left out.
    """
    limit = small_distance(real)
    if limit is None:
        return Measurement(None, skip="all held-out images repeat training images")
    n, m = len(fake), len(real)
    close, real_close = int(np.sum(fake < limit)), int(np.sum(real < limit))
    value, null, independent = close / n, real_close / m, count_independent(m, heldout)
    if value <= null:
        return compare_proportions(value, null, n, independent)
    z = exact_score((close, n), (math.ceil(real_close * independent / m), independent))
    return Measurement(value, null, (value - null) / max(z, LEAST_SCORE))


def exact_score(fake: tuple[int, int], real: tuple[int, int]) -> float:
    """Return the normal score of Fisher's exact test that two (count, total) have the same share.

    It is positive if the share of `fake` is larger. The probability is that of at most `real[0]` real images among the
    images that were counted.
    """
    (k, n), (b, m) = fake, real
    total = log_choose(n + m, k + b)
    logs = [log_choose(m, i) + log_choose(n, k + b - i) - total for i in range(max(0, k + b - n), b + 1)]
    most = max(logs)
    tail = math.exp(most) * sum(math.exp(value - most) for value in logs)
    return -NormalDist().inv_cdf(min(max(tail, SMALLEST_TAIL), 1 - 1e-16))


def log_choose(n: int, k: int) -> float:
    """Return the logarithm of the binomial coefficient; minus infinity if it is 0."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) if 0 <= k <= n else -math.inf


def compare_proportions(value: float, null: float, n: int, m: int) -> Measurement:
    """Return a proportion of `n` samples with that of `m` real images as its null.

    The spread is the standard deviation of the difference of two proportions that are equal.
    """
    if value < null:
        pooled = min(max((n * value + m * null) / (n + m), 1 / (n + m)), 1 - 1 / (n + m))
    else:
        pooled = max(null, 1 / (n + m))
    return Measurement(value, null, float(np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))))


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
