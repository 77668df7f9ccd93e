"""Project features to a plane for the report's map, and rank samples by how typical they are."""

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Int64Array
from pipeline.evaluation.measures.distances import nearest

POINTS = 1500
"""Samples, and real images, on the map at most."""

RANKED = 2500
"""Samples that are ranked at most."""


def project_to_plane(fake: FloatArray, real: FloatArray, seed: int) -> tuple[Float64Array, Float64Array]:
    """Project samples and real images to the first two principal components of the real images.

    The largest entry of each component is positive, which fixes its sign.

    Args:
        fake: Features of samples, [n, d].
        real: Features of real images, [m, d].
        seed: Draws at most 1,500 items of each set.

    Returns:
        Coordinates of samples and of real images, each [items, 2].
    """
    rng = np.random.default_rng(seed)
    mean = real.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(np.cov(real.astype(np.float64), rowvar=False).reshape(real.shape[1], real.shape[1]))
    axes = axes[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    parts = []
    for x in (fake, real):
        chosen = rng.permutation(len(x))[:POINTS]
        flat = (x[chosen].astype(np.float64) - mean) @ axes
        parts.append(np.pad(flat, ((0, 0), (0, 2 - flat.shape[1]))))
    return parts[0], parts[1]


def rank_by_typicality(fake: FloatArray, real: FloatArray) -> Int64Array:
    """Return the positions of the first 2,500 samples, ordered by the distance to their nearest real image.

    The most typical sample comes first. Features are [n, d] for samples and [m, d] for real images.
    """
    if not len(fake):
        return np.empty(0, dtype=np.int64)
    return np.argsort(nearest(fake[:RANKED], real, 1)[0][:, 0], kind="stable").astype(np.int64)
