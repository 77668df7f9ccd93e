"""What an image looks like before one asks what it shows: brightness, contrast, sharpness, colour, and the generator's checkerboard.

Features of a classifier look through blur and noise; these five numbers an image do not, and they name what is wrong.
"""

from collections.abc import Iterator

import numpy as np

from pipeline.arrays import Float64Array, UInt8Array
from pipeline.evaluation.extractors.base import Images

NAMES = ("brightness", "contrast", "sharpness", "checkerboard", "colour")
BATCH = 1024


def appearance(images: Images) -> Float64Array:
    """Of each image, [n, 5]: mean, standard deviation and mean |Laplacian| of its gray values, the strength of a pattern with a period
    of two pixels in them, all in 0..1, and the mean spread of its channels (0 for gray images)."""
    parts = [measure(batch) for batch in batches(images)]
    return np.concatenate(parts) if parts else np.empty((0, len(NAMES)))


def batches(images: Images) -> Iterator[UInt8Array]:
    for start in range(0, len(images), BATCH):
        yield images.images(np.arange(start, min(start + BATCH, len(images))))


def measure(images: UInt8Array) -> Float64Array:
    """uint8 [n, H, W, C] -> [n, 5]."""
    x = images.astype(np.float32) / 255
    gray = x.mean(axis=3)
    centre = gray[:, 1:-1, 1:-1]
    laplacian = 4 * centre - gray[:, :-2, 1:-1] - gray[:, 2:, 1:-1] - gray[:, 1:-1, :-2] - gray[:, 1:-1, 2:]
    # Strided transposed convolutions leave a pattern that repeats every two pixels (Odena 2016): each of its four phases has another mean.
    height, width = gray.shape[1] // 2 * 2, gray.shape[2] // 2 * 2
    phases = (
        gray[:, :height, :width]
        .reshape(len(gray), height // 2, 2, width // 2, 2)
        .mean(axis=(1, 3))
        .reshape(len(gray), 4)
    )
    columns = [
        gray.mean(axis=(1, 2)),
        gray.std(axis=(1, 2)),
        np.abs(laplacian).mean(axis=(1, 2)),
        phases.std(axis=1),
        x.std(axis=3).mean(axis=(1, 2)),
    ]
    return np.stack(columns, axis=1).astype(np.float64)
