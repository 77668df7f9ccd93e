"""The training images that samples come nearest to: what a person looks at to see whether a generator copies."""

import numpy as np

from pipeline.evaluation.diversity import Int64Array
from pipeline.evaluation.features import Float32Array

CHUNK = 4096


def nearest(samples: Float32Array, among: Float32Array, k: int) -> tuple[Int64Array, Float32Array]:
    """For each of `samples` [n, d] the `k` nearest rows of `among` [m, d] by Euclidean distance, nearest first: positions and distances [n, min(k, m)].

    Holds n times 4,096 distances at a time, however large m is.
    """
    k = min(k, len(among))
    positions = np.empty((len(samples), 0), dtype=np.int64)
    squares = np.empty((len(samples), 0), dtype=np.float64)
    x = samples.astype(np.float64)
    for start in range(0, len(among), CHUNK):
        y = among[start : start + CHUNK].astype(np.float64)
        found = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1) - 2 * x @ y.T
        squares = np.concatenate([squares, np.maximum(found, 0.0)], axis=1)
        positions = np.concatenate([positions, np.broadcast_to(np.arange(start, start + len(y)), found.shape)], axis=1)
        best = np.argsort(squares, axis=1, kind="stable")[:, :k]
        squares, positions = np.take_along_axis(squares, best, axis=1), np.take_along_axis(positions, best, axis=1)
    return positions, np.sqrt(squares).astype(np.float32)
