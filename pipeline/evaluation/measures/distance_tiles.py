"""Tiles of the squared distances between two sets of features, computed on the CPU or on a GPU."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.arrays import Float32Array, Float64Array, FloatArray
from pipeline.errors import InputError

BLOCK, WIDTH = 512, 2048  # rows and columns of a tile
CACHED = 256  # pairs per float64 step, so that they fit into the processor's cache

CPU = torch.device("cpu")
devices = [CPU]
"""Devices of the contexts that have been entered; the last one counts."""


@contextmanager
def distances_on(device: torch.device) -> Iterator[None]:
    """Within the context, compute the products of all distances on a CUDA device; of others on the CPU.

    Where float32 could be wrong, float64 decides on the CPU, so the device does not change a result.
    """
    devices.append(device if device.type == "cuda" else CPU)
    try:
        yield
    finally:
        devices.pop()


@dataclass(frozen=True)
class Points:
    """A set of features and what its distances are computed from.

    Attributes:
        exact: The features, [n, d].
        centre: The centre that is subtracted in float32, [d].
        squares: Squared distances from the centre, float32 [n].
    """

    exact: Tensor
    centre: Tensor
    squares: Tensor

    def __len__(self) -> int:
        return len(self.exact)

    def centred(self, rows: slice) -> Tensor:
        """Return some rows minus the centre, in float32."""
        return (self.exact[rows] - self.centre).float()


def prepare_pair(first: FloatArray, second: FloatArray) -> tuple[Points, Points]:
    """Centre two sets of features on the mean of the second. Raise InputError if d differs."""
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise InputError(f"features of {list(first.shape)} and {list(second.shape)} cannot be compared")
    centre = second.mean(axis=0, dtype=np.float64) if len(second) else np.zeros(second.shape[1])
    return prepare(first, centre), prepare(second, centre)


def prepare(features: FloatArray, centre: Float64Array) -> Points:
    """Compute the squared lengths of centred features. Raise InputError if a value is not finite."""
    if features.ndim != 2 or not np.isfinite(features).all():
        raise InputError("features [n, d] must be finite: this extractor returned NaN or Inf for these images")
    exact = torch.from_numpy(np.ascontiguousarray(features))
    points = Points(exact, torch.from_numpy(centre).to(exact.dtype), torch.empty(len(exact)))
    for rows in row_slices(len(exact)):
        points.squares[rows] = points.centred(rows).square().sum(dim=1)
    return points


def row_slices(n: int) -> Iterator[slice]:
    """Yield slices of at most 512 rows that cover `n` rows."""
    return (slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK))


def distance_tiles(a: Points, b: Points | None = None) -> Iterator[tuple[slice, slice, Float32Array]]:
    """Yield tiles of the squared distances between two sets: rows of `a`, rows of `b`, and the distances in float32.

    Without `b` these are the tiles on and above the diagonal of the distances within `a`. Those on the diagonal are
    square. A tile is valid until the next one is requested; meanwhile, another thread of the CPU computes the next one.
    """
    other, device = (a if b is None else b), devices[-1]
    right, memory = other.centred(slice(None)).to(device), torch.empty(2, BLOCK * WIDTH, device=device)
    row_squares, column_squares = a.squares.to(device), other.squares.to(device)

    def compute(rows: slice, columns: slice, out: Tensor) -> Float32Array:
        left = right[rows] if b is None else a.centred(rows).to(device)
        sides = (-2 * left, row_squares[rows]), (right[columns], column_squares[columns])
        distances: Float32Array = squared_distances(*sides, out).cpu().numpy()
        return distances

    places = list(tile_places(len(a), None if b is None else len(b)))
    if len(places) == 1 or device != CPU:  # starting a thread would take longer than the tile
        yield from ((*place, compute(*place, memory[0])) for place in places)
        return
    with ThreadPoolExecutor(1) as thread:
        tiles = deque([thread.submit(compute, *place, memory[0]) for place in places[:1]])
        for number, place in enumerate(places):
            if number + 1 < len(places):
                tiles.append(thread.submit(compute, *places[number + 1], memory[(number + 1) % 2]))
            yield *place, tiles.popleft().result()


def tile_places(rows: int, columns: int | None) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and columns of tiles; without `columns` those on and above the diagonal of a square."""
    for part in row_slices(rows):
        if columns is None:
            yield part, part
        total = rows if columns is None else columns
        for start in range(part.stop if columns is None else 0, total, WIDTH):
            yield part, slice(start, min(start + WIDTH, total))


def squared_distances(left: tuple[Tensor, Tensor], right: tuple[Tensor, Tensor], memory: Tensor) -> Tensor:
    """Compute squared distances, float32 [n, m].

    Args:
        left: Centred rows [n, d], times -2, and their squared lengths [n].
        right: Centred rows [m, d] and their squared lengths [m].
        memory: At least n * m values for the result; new memory for every block would be slower.
    """
    (rows, row_squares), (columns, column_squares) = left, right
    out = memory[: len(rows) * len(columns)].view(len(rows), len(columns))
    # NumPy's threads would compete with torch's, which slows both. Its comparisons use one thread and are faster.
    return torch.mm(rows, columns.T, out=out).add_(column_squares).add_(row_squares[:, None])


def exact_squared_distances(a: Points, b: Points, rows: Tensor, columns: Tensor) -> Tensor:
    """Compute the squared distances of the pairs (rows[i], columns[i]) in float64, [pairs]."""
    out = torch.empty(len(rows), dtype=torch.float64)
    for start in range(0, len(rows), CACHED):
        part = slice(start, start + CACHED)
        out[part] = torch.linalg.vector_norm(a.exact[rows[part]].double().sub_(b.exact[columns[part]]), dim=1).square_()
    return out
