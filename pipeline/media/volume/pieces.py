"""Pieces and holes of solids [n, H, W, D]: voxels that share a face, an edge or a corner belong together."""

from typing import NamedTuple

import numpy as np

from pipeline.arrays import BoolArray, Int64Array


class Pieces(NamedTuple):
    """The pieces of a batch of solids.

    Attributes:
        labels: Piece of each voxel, [n, H, W, D]; 0 for empty ones.
        sizes: Voxels of each piece, [pieces + 1]; that of 0 is 0.
        solids: Solid of each piece, [pieces + 1].
    """

    labels: Int64Array
    sizes: Int64Array
    solids: Int64Array


def find_pieces(occupied: BoolArray) -> Pieces:
    """Return the pieces of each solid."""
    from scipy.ndimage import label

    touching = np.zeros((3, 3, 3, 3), dtype=bool)
    touching[1] = True  # within one solid
    labels, count = label(occupied, touching)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    solids = np.zeros(count + 1, dtype=np.int64)
    for number, solid in enumerate(labels):
        solids[np.unique(solid)] = number
    return Pieces(labels, sizes, solids)


def count_pieces(occupied: BoolArray) -> Int64Array:
    """Return the number of pieces of each solid, [n]."""
    found = find_pieces(occupied)
    return np.bincount(found.solids[1:], minlength=len(occupied))


def euler_numbers(occupied: BoolArray) -> Int64Array:
    """Return the Euler number of each solid, [n]: its pieces, minus its tunnels, plus its cavities.

    It counts the cells of the union of all occupied voxels: corners - edges + faces - voxels.
    """
    total = np.zeros(len(occupied), dtype=np.int64)
    for axes in range(8):
        # A cell that is flat along an axis belongs to the union if a voxel on either side does.
        cells = occupied
        for axis in range(3):
            if axes >> axis & 1:
                edges = [(0, 0)] * 4
                edges[axis + 1] = (1, 1)
                padded = np.pad(cells, edges)
                size = padded.shape[axis + 1]
                cells = padded.take(range(size - 1), axis + 1) | padded.take(range(1, size), axis + 1)
        flat = axes.bit_count()
        total += (-1) ** (3 - flat) * cells.reshape(len(cells), -1).sum(axis=1)
    return total
