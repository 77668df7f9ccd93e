"""What a person looks at to understand a set of samples: a map of the features, and the samples that are most and least like real images."""

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Int64Array
from pipeline.evaluation.measures.distances import nearest

POINTS = 1500  # of each kind on the map
RANKED = 2500  # samples that are ranked


def plane(fake: FloatArray, real: FloatArray, seed: int) -> tuple[Float64Array, Float64Array]:
    """Samples [n, d] and real images [m, d] in the plane in which the real ones vary most (their first two principal components); at
    most 1,500 of each, drawn by `seed`. The sign of an axis is fixed by its largest entry."""
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


def typical(fake: FloatArray, real: FloatArray) -> Int64Array:
    """Positions of samples (of the first 2,500), the most like a real image first: by the distance to the nearest one in the features."""
    if not len(fake):
        return np.empty(0, dtype=np.int64)
    return np.argsort(nearest(fake[:RANKED], real, 1)[0][:, 0], kind="stable").astype(np.int64)
