"""Numbers of single volumes that a person notices before the shape: how much is filled, its surface, its symmetry."""

import numpy as np

from pipeline.arrays import Float32Array, Float64Array, FloatArray, Items
from pipeline.media.volume.pieces import count_pieces, euler_numbers, find_pieces

SPECK = 4
"""Pieces of fewer voxels are dust."""
MOST_PIECES = 9
"""Items in more pieces are counted with this number."""


def statistics(items: Items) -> dict[str, Float64Array]:
    """Return three numbers of each volume [n, H, W, D], each [n].

    - occupancy: mean value, from 0 to 1;
    - surface: difference between neighbouring voxels over the sum of the values: faces per voxel of a solid;
    - symmetry: the largest share of a volume that its mirror image along one axis shares.
    """
    values = np.asarray(items, dtype=np.float32) / 255
    total = values.sum(axis=(1, 2, 3), dtype=np.float64)
    padded = np.pad(values, ((0, 0), *[(1, 1)] * 3))
    faces = sum(np.abs(np.diff(padded, axis=axis)).sum(axis=(1, 2, 3), dtype=np.float64) for axis in (1, 2, 3))
    shared = [np.minimum(values, np.flip(values, axis)).sum(axis=(1, 2, 3), dtype=np.float64) for axis in (1, 2, 3)]
    return {
        "occupancy": total / values[0].size,
        "surface": np.asarray(faces / np.maximum(total, 1)),
        "symmetry": np.max(shared, axis=0) / np.maximum(total, 1),
    }


def distances(first: Items, second: Items) -> Float32Array:
    """Return 1 - intersection over union of volumes [n, H, W, D] and [m, H, W, D], [n, m]."""
    a, b = ((np.asarray(items) >= 128).reshape(len(items), -1).astype(np.float32) for items in (first, second))
    shared = a @ b.T
    union = a.sum(axis=1)[:, None] + b.sum(axis=1)[None] - shared
    return np.asarray(1 - shared / np.maximum(union, 1), dtype=np.float32)


def piece_counts(items: Items) -> FloatArray:
    """Return one-hot numbers of pieces, [n, 10]; empty volumes have none."""
    counts = np.minimum(count_pieces(np.asarray(items) >= 128), MOST_PIECES)
    return np.asarray(np.eye(MOST_PIECES + 1, dtype=np.float32)[counts])


def loose_parts(items: Items) -> Float32Array:
    """Return the pieces besides the largest one, [n, 2]: whether there are any but dust, and how many are dust."""
    found = find_pieces(np.asarray(items) >= 128)
    largest = np.zeros(len(items), dtype=np.int64)
    np.maximum.at(largest, found.solids[1:], found.sizes[1:])
    big = np.bincount(found.solids[1:], weights=found.sizes[1:] >= SPECK, minlength=len(items))
    small = np.bincount(found.solids[1:], weights=found.sizes[1:] < SPECK, minlength=len(items))
    small -= (largest > 0) & (largest < SPECK)  # the largest piece is no dust
    return np.stack([big > 1, small], axis=1).astype(np.float32)


def is_floating(items: Items) -> FloatArray:
    """Return whether a volume has a second piece that is more than dust, [n, 1]."""
    return np.asarray(loose_parts(items)[:, :1])


def count_dust(items: Items) -> FloatArray:
    """Return the number of specks of each volume, [n, 1]."""
    return loose_parts(items)[:, 1:]


def is_blank(items: Items) -> FloatArray:
    """Return whether a volume is empty or full, [n, 1]."""
    occupied = (np.asarray(items) >= 128).reshape(len(items), -1)
    blank = np.asarray(~occupied.any(axis=1) | occupied.all(axis=1))
    return blank[:, None].astype(np.float32)


def count_cavities(items: Items) -> FloatArray:
    """Return the number of tunnels or cavities of each volume, whichever are more, [n, 1]."""
    occupied = np.asarray(items) >= 128
    found = np.asarray(np.abs(count_pieces(occupied) - euler_numbers(occupied)))
    return found[:, None].astype(np.float32)
