"""Nearest neighbours and balls in feature space, computed in blocks of Euclidean distances.

Precision, recall, density, coverage and the copy measures are built on these functions. The large matrix products run
in float32 on centred features. The nearest neighbours, and every comparison that float32 could get wrong, are then
computed again in float64, so the results are those of float64.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.arrays import Float64Array, FloatArray, Int64Array
from pipeline.errors import InputError

NEAR = 0.01
"""Items are near-duplicates if they are closer than this quantile of the distances between real items."""

BLOCK = 512
CACHED = 256  # pairs per float64 step, so that they fit into the processor's cache
GROUP = 8  # distances per group, of which only the smallest is compared first
SPARE = 4  # candidates in addition to k, because float32 may order near ties wrongly
DOUBT = 1e-5  # float64 decides if squared distances differ by less than this fraction of the squared lengths


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


@dataclass(frozen=True)
class BallCounts:
    """How the rows of one set lie in balls around the rows of another set; the surface counts as outside.

    Attributes:
        balls_per_row: Number of balls that contain each row, [n].
        rows_per_ball: Number of rows that each ball contains, [m].
    """

    balls_per_row: Int64Array
    rows_per_ball: Int64Array


def nearest(first: FloatArray, second: FloatArray, k: int) -> tuple[Float64Array, Int64Array]:
    """Find the `k` nearest rows of `second` [m, d] for each row of `first` [n, d].

    Returns:
        Distances and positions in `second`, each [n, k], nearest first.

    Raises:
        InputError: `second` has fewer than k rows, d differs, or a value is not finite.
    """
    a, b = prepare_pair(first, second)
    near = torch.empty(len(a), count_candidates(k, len(b)), dtype=torch.int64)
    for start, distances in distance_blocks(a, b):
        values, columns = select_candidates(distances, near.shape[1])
        near[start : start + len(distances)] = columns.gather(
            1, values.topk(near.shape[1], dim=1, largest=False, sorted=False).indices
        )
    return sort_exactly(a, b, near, k)


def neighbours(features: FloatArray, k: int) -> tuple[Float64Array, Int64Array]:
    """Find the `k` nearest other rows of the same set for each row of `features` [n, d].

    Each pair is computed once. Results and errors are those of `nearest`.
    """
    a, _ = prepare_pair(features, features)
    n, wanted = len(a), count_candidates(k, len(a) - 1)
    smallest, near = torch.full((n, wanted), torch.inf), torch.zeros((n, wanted), dtype=torch.int64)

    def update(rows: slice, distances: Tensor, first: int) -> None:
        """Update the candidates of `rows` with their distances [rows, m] to the rows from `first` on."""
        values, columns = select_candidates(distances, wanted)
        smallest[rows], best = torch.cat([smallest[rows], values], dim=1).topk(
            wanted, dim=1, largest=False, sorted=False
        )
        near[rows] = torch.cat([near[rows], columns + first], dim=1).gather(1, best)

    centred, memory = a.centred(slice(None)), torch.empty(n * min(BLOCK, n))
    for rows in row_slices(n):
        rest = slice(rows.start, n)
        distances = squared_distances((centred[rest], a.squares[rest]), (centred[rows], a.squares[rows]), memory)
        distances.fill_diagonal_(torch.inf)
        update(rest, distances, rows.start)
        update(rows, distances[distances.shape[1] :].T, rows.stop)
    return sort_exactly(a, a, near, k)


def radii(features: FloatArray, k: int) -> Float64Array:
    """Return the distance of each row of `features` [n, d] to its k-th nearest neighbour in the set, [n]."""
    distances: Float64Array = neighbours(features, k)[0][:, -1]
    return distances


def count_in_balls(
    first: FloatArray, second: FloatArray, first_radii: Float64Array, second_radii: Float64Array
) -> tuple[BallCounts, BallCounts]:
    """Count the rows of one set in balls around the rows of the other, in both directions.

    Args:
        first: Features, [n, d].
        second: Features, [m, d].
        first_radii: Radii of the balls around `first`, [n].
        second_radii: Radii of the balls around `second`, [m].

    Returns:
        Rows of `first` in balls around `second`, and rows of `second` in balls around `first`.
    """
    a, b = prepare_pair(first, second)
    row_limits, column_limits = (torch.from_numpy(np.square(radius)) for radius in (first_radii, second_radii))
    row_limits = row_limits[:, None]
    forth = np.zeros(len(a), np.int64), np.zeros(len(b), np.int64)
    back = np.zeros(len(b), np.int64), np.zeros(len(a), np.int64)
    longest = b.squares.max() if len(b) else 0.0
    memory = torch.empty(2, min(BLOCK, len(a)), len(b), dtype=torch.bool)
    for start, distances in distance_blocks(a, b):
        rows = slice(start, start + len(distances))
        block = Block(a, b, start, distances, memory)
        per_row, per_column = block.count_below(column_limits, DOUBT * (a.squares[rows].max() + b.squares))
        forth[0][rows] = per_row
        forth[1][:] += per_column
        per_row, per_column = block.count_below(row_limits[rows], DOUBT * (a.squares[rows, None] + longest))
        back[0][:] += per_column
        back[1][rows] = per_row
    return BallCounts(*forth), BallCounts(*back)


@dataclass(frozen=True)
class Block:
    """Squared distances of some rows of one set to all rows of another.

    Attributes:
        a: The set of the rows.
        b: The other set.
        start: Position of the first row in `a`.
        distances: Squared distances, float32 [n, m].
        memory: Two boolean tables of at least [n, m] that are reused for all blocks.
    """

    a: Points
    b: Points
    start: int
    distances: Tensor
    memory: Tensor

    def count_below(self, limit: Tensor, doubt: Tensor) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Count the squared distances below `limit`, in each row and in each column.

        Args:
            limit: Squared radii, float64 [m] or [n, 1].
            doubt: Largest possible error of float32; closer distances are computed again in float64.
        """
        below, maybe = (
            torch.lt(self.distances, bound.float(), out=out[: len(self.distances)]).numpy()
            for bound, out in zip((limit - doubt, limit + doubt), self.memory, strict=True)
        )
        per_row = np.count_nonzero(below, axis=1)
        unsure = np.flatnonzero(np.count_nonzero(maybe, axis=1) != per_row)
        if len(unsure):
            i, j = np.nonzero(maybe[unsure] ^ below[unsure])
            i = unsure[i]
            limits = limit.expand(self.distances.shape)[i, j]
            rows, columns = torch.from_numpy(i + self.start), torch.from_numpy(j)
            below[i, j] = exact_squared_distances(self.a, self.b, rows, columns) < limits
            per_row[unsure] = np.count_nonzero(below[unsure], axis=1)
        return per_row, np.count_nonzero(below, axis=0)


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


def distance_blocks(a: Points, b: Points) -> Iterator[tuple[int, Tensor]]:
    """Yield the first row of each block of `a` and its squared distances to `b`, float32 [rows, len(b)].

    All blocks share the same memory: use a block before the next one is requested.
    """
    right, memory = (b.centred(slice(None)), b.squares), torch.empty(min(BLOCK, len(a)) * len(b))
    for rows in row_slices(len(a)):
        yield rows.start, squared_distances((a.centred(rows), a.squares[rows]), right, memory)


def squared_distances(left: tuple[Tensor, Tensor], right: tuple[Tensor, Tensor], memory: Tensor) -> Tensor:
    """Compute squared distances, float32 [n, m].

    Args:
        left: Centred rows [n, d] and their squared lengths [n].
        right: Centred rows [m, d] and their squared lengths [m].
        memory: At least n * m values for the result; new memory for every block would be slower.
    """
    (rows, row_squares), (columns, column_squares) = left, right
    out = memory[: len(rows) * len(columns)].view(len(rows), len(columns))
    # NumPy's product alone is 10 % faster, but its threads compete with torch's, which makes it slower here.
    return torch.mm(rows, columns.T, out=out).mul_(-2).add_(column_squares).add_(row_squares[:, None])


def exact_squared_distances(a: Points, b: Points, rows: Tensor, columns: Tensor) -> Tensor:
    """Compute the squared distances of the pairs (rows[i], columns[i]) in float64, [pairs]."""
    out = torch.empty(len(rows), dtype=torch.float64)
    for start in range(0, len(rows), CACHED):
        part = slice(start, start + CACHED)
        out[part] = torch.linalg.vector_norm(a.exact[rows[part]].double().sub_(b.exact[columns[part]]), dim=1).square_()
    return out


def count_candidates(k: int, available: int) -> int:
    """Return how many candidates float64 compares to find `k` neighbours. Raise InputError if too few are available."""
    if available < k:
        raise InputError(f"{k} nearest neighbours cannot be found among {available} images: provide more images")
    return min(k + SPARE, available)


def select_candidates(distances: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Reduce each row of `distances` [n, m] to fewer values that include the k smallest.

    The columns are divided into groups. The k smallest values lie in the k groups with the smallest minima.

    Returns:
        Values and their columns, each [n, candidates].
    """
    groups = distances.shape[1] // GROUP
    if groups <= k:
        return distances, torch.arange(distances.shape[1]).expand_as(distances)
    even = groups * GROUP
    minima = torch.unflatten(distances[:, :even], 1, (GROUP, groups)).amin(dim=1)
    best = minima.topk(k, dim=1, largest=False, sorted=False).indices
    members = (best[:, None] + groups * torch.arange(GROUP)[:, None]).flatten(1)
    columns = torch.cat([members, torch.arange(even, distances.shape[1]).expand(len(distances), -1)], dim=1)
    return distances.gather(1, columns), columns


def sort_exactly(a: Points, b: Points, near: Tensor, k: int) -> tuple[Float64Array, Int64Array]:
    """Return the k nearest of the candidates `near` [n, candidates], which are positions in `b`.

    Returns:
        Distances in float64 and positions, each [n, k], nearest first.
    """
    rows = torch.arange(len(a)).repeat_interleave(near.shape[1])
    exact = exact_squared_distances(a, b, rows, near.flatten()).view(near.shape)
    order = exact.argsort(dim=1, stable=True)[:, :k]
    return exact.gather(1, order).sqrt().numpy(), near.gather(1, order).numpy()
