"""Samples and held-out images, each against the training images: in features, and in small pictures of themselves."""

from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float32Array, FloatArray
from pipeline.evaluation.cache import remember
from pipeline.evaluation.extractors.base import Images
from pipeline.evaluation.measures.bins import assign, k_means
from pipeline.evaluation.measures.calibration import MOST
from pipeline.evaluation.measures.distances import NEAR, nearest, neighbours
from pipeline.evaluation.measures.memorisation import authenticity, copy_rate, copying
from pipeline.measure import Measurement

CELLS = 10  # of feature space, within which C_T compares ranks
SIDE = 16  # pixels of the small pictures
LEAST = 100  # held-out images that can say what is near by chance


def thumbnails(images: Images, batch_size: int) -> Float32Array:
    """Images of at most 16x16 pixels as rows [n, values], each pixel the mean of its square."""
    parts = []
    for start in range(0, len(images), batch_size):
        batch = torch.from_numpy(
            np.ascontiguousarray(images.images(np.arange(start, min(start + batch_size, len(images)))))
        )
        small = batch.permute(0, 3, 1, 2).float()
        if small.shape[2] > SIDE:
            small = torch.nn.functional.avg_pool2d(small, small.shape[2] // SIDE)
        parts.append(small.flatten(1).numpy())
    return np.concatenate(parts) if parts else np.empty((0, 1), dtype=np.float32)


def copies(
    features: tuple[FloatArray, FloatArray, FloatArray],
    pixels: tuple[FloatArray, FloatArray, FloatArray],
    seed: int,
    cache: Path | None = None,
    key: str = "",
) -> dict[str, Measurement]:
    """Copy rates, C_T and AuthPct of (samples, held-out images, training images); empty where there are too few held-out images.

    `key` names the held-out and training images and the features, under which what only they decide is kept in `cache`.
    """
    fake, heldout, train = features[0][:MOST], features[1][:MOST], features[2]
    if min(len(fake), len(heldout)) < LEAST or len(train) < 2:
        return {}

    def make() -> dict[str, torch.Tensor]:
        found = nearest(heldout, train, 1)
        own = neighbours(train, 1)[0]
        centres = k_means(train, CELLS, seed)
        small = nearest(pixels[1][:MOST], pixels[2], 1)[0]
        parts = {"distance": found[0], "position": found[1], "own": own, "small": small, "centres": centres}
        return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in parts.items()}

    m, n = len(heldout), len(train)
    shapes = {
        "distance": (m, 1),
        "position": (m, 1),
        "own": (n, 1),
        "small": (m, 1),
        "centres": (min(CELLS, n), train.shape[1]),
    }
    known = {
        name: value.numpy()
        for name, value in remember(cache, "copies", f"{key} {seed} {MOST} {CELLS} {SIDE}", shapes, make).items()
    }
    (distance, position), (apart, where) = nearest(fake, train, 1), (known["distance"][:, 0], known["position"][:, 0])
    small = nearest(pixels[0][:MOST], pixels[2], 1)[0][:, 0]
    own, centres = known["own"][:, 0], known["centres"]
    ours, theirs = authenticity(distance[:, 0], position[:, 0], own), authenticity(apart, where, own)
    return {
        "copies_features": proportion(copy_rate(distance[:, 0], apart), NEAR, len(fake), m),
        "copies_pixels": proportion(copy_rate(small, known["small"][:, 0]), NEAR, len(fake), m),
        "copying": Measurement(
            copying(distance[:, 0], apart, assign(fake, centres), assign(heldout, centres)), 0.0, 1.0
        ),
        "authenticity": proportion(ours, theirs, len(fake), m),
    }


def proportion(value: float, null: float, n: int, m: int) -> Measurement:
    """A share of n beside that of m: the spread is that of the difference of two equal shares."""
    likely = (
        min(max((n * value + m * null) / (n + m), 1 / (n + m)), 1 - 1 / (n + m))
        if value < null
        else max(null, 1 / (n + m))
    )
    return Measurement(value, null, float(np.sqrt(likely * (1 - likely) * (1 / n + 1 / m))))
