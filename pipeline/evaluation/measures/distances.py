"""Nearest neighbours and balls in feature space, computed in tiles of Euclidean distances.

Precision, recall, density, coverage and the copy measures are built on these functions. The large matrix products run
in float32 on centred features. The nearest neighbours, and every comparison that float32 could get wrong, are then
computed again in float64, so the results are those of float64.

A tile of distances fits into the processor's cache. Only the few distances below a limit leave it: the smallest ones so
far, or the radii of the balls.
"""

from dataclasses import dataclass

import numpy as np
import torch

from pipeline.arrays import BoolArray, Float32Array, Float64Array, FloatArray, Int64Array
from pipeline.errors import InputError
from pipeline.evaluation.measures.distance_tiles import Points, distance_tiles, exact_squared_distances, prepare_pair

NEAR = 0.01
"""Items are near-duplicates if they are closer than this quantile of the distances between real items."""

SPARE = 4  # candidates in addition to k, because float32 may order near ties wrongly
DOUBT = 1e-5  # float64 decides if squared distances differ by less than this fraction of the squared lengths


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
    candidates = Candidates(len(a), count_candidates(k, len(b)))
    for rows, columns, distances in distance_tiles(a, b):
        candidates.update(rows, columns, distances)
    return sort_exactly(a, b, candidates.positions, k)


def neighbours(features: FloatArray, k: int) -> tuple[Float64Array, Int64Array]:
    """Find the `k` nearest other rows of the same set for each row of `features` [n, d].

    Each pair is computed once. Results and errors are those of `nearest`.
    """
    a, _ = prepare_pair(features, features)
    candidates = Candidates(len(a), count_candidates(k, len(a) - 1))
    for rows, columns, distances in distance_tiles(a):
        if rows == columns:
            np.fill_diagonal(distances, np.inf)
        else:
            candidates.update(columns, rows, distances, axis=1)
        candidates.update(rows, columns, distances)
    return sort_exactly(a, a, candidates.positions, k)


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
    limits = np.square(first_radii), np.square(second_radii)
    by_first = np.zeros(len(b), np.int64), np.zeros(len(a), np.int64)  # of rows, of balls
    by_second = np.zeros(len(a), np.int64), np.zeros(len(b), np.int64)
    for rows, columns, distances in distance_tiles(a, b):
        squares = a.squares[rows].numpy(), b.squares[columns].numpy()
        most = [limit[part].astype(np.float32) for limit, part in zip(limits, (rows, columns), strict=True)]
        below = distances < (most[0] + DOUBT * (squares[0] + squares[1].max()))[:, None]
        below |= distances < most[1] + DOUBT * (squares[1] + squares[0].max())
        i, j = np.divmod(np.flatnonzero(below), distances.shape[1])
        values = distances[i, j].astype(np.float64)
        pairs = Pairs(a, b, i + rows.start, j + columns.start, values)
        inside = pairs.below(limits[0][pairs.rows])
        by_first[0][columns] += np.bincount(j[inside], minlength=distances.shape[1])
        by_first[1][rows] += np.bincount(i[inside], minlength=len(distances))
        inside = pairs.below(limits[1][pairs.columns])
        by_second[0][rows] += np.bincount(i[inside], minlength=len(distances))
        by_second[1][columns] += np.bincount(j[inside], minlength=distances.shape[1])
    return BallCounts(*by_second), BallCounts(*by_first)


@dataclass(frozen=True)
class Pairs:
    """Squared distances, computed in float32, of pairs of rows.

    Attributes:
        a: The set of the first rows.
        b: The set of the second rows.
        rows: Positions in `a`, [pairs].
        columns: Positions in `b`, [pairs].
        values: Squared distances, [pairs].
    """

    a: Points
    b: Points
    rows: Int64Array
    columns: Int64Array
    values: Float64Array

    def below(self, limits: Float64Array) -> BoolArray:
        """Return which squared distances are below `limits` [pairs]; float64 decides if float32 could be wrong."""
        inside: BoolArray = self.values < limits
        doubt = DOUBT * (self.a.squares.numpy()[self.rows] + self.b.squares.numpy()[self.columns])
        unsure = np.flatnonzero(np.abs(self.values - limits) <= doubt)
        if len(unsure):
            rows, columns = (torch.from_numpy(positions[unsure]) for positions in (self.rows, self.columns))
            inside[unsure] = exact_squared_distances(self.a, self.b, rows, columns).numpy() < limits[unsure]
        return inside


class Candidates:
    """The nearest items so far of each of `n` items.

    Attributes:
        distances: Squared distances in ascending order, float32 [n, count]; infinite where no item is known yet.
        positions: Positions of these items, [n, count].
    """

    def __init__(self, n: int, count: int) -> None:
        self.distances: Float32Array = np.full((n, count), np.inf, np.float32)
        self.positions: Int64Array = np.zeros((n, count), np.int64)

    def update(self, items: slice, others: slice, distances: Float32Array, axis: int = 0) -> None:
        """Compare a tile of distances with those so far. The items are its rows if `axis` is 0, its columns if 1."""
        count, limit = self.distances.shape[1], self.distances[items, -1]
        pairs = np.flatnonzero(distances < np.expand_dims(limit, 1 - axis))
        if len(pairs) > count * len(limit):
            best = torch.from_numpy(distances).topk(count, dim=1 - axis, largest=False, sorted=False).indices.numpy()
            grid = np.indices(best.shape)[axis]
            place = (grid, best) if axis == 0 else (best, grid)
        else:
            place = np.divmod(pairs, distances.shape[1])
        if len(pairs):
            values = distances[place].ravel()
            self.merge(place[axis].ravel() + items.start, values, place[1 - axis].ravel() + others.start)

    def merge(self, items: Int64Array, distances: Float32Array, positions: Int64Array) -> None:
        """Keep the nearest of the candidates so far and of further ones, given as pairs of an item and a position."""
        count = self.distances.shape[1]
        touched, groups = np.unique(items, return_inverse=True)
        groups = np.concatenate([np.repeat(np.arange(len(touched)), count), groups])
        values = np.concatenate([self.distances[touched].ravel(), distances])
        order = np.lexsort((values, groups))
        starts = np.searchsorted(groups[order], np.arange(len(touched)))
        kept = order[starts[:, None] + np.arange(count)]
        self.positions[touched] = np.concatenate([self.positions[touched].ravel(), positions])[kept]
        self.distances[touched] = values[kept]


def count_candidates(k: int, available: int) -> int:
    """Return how many candidates float64 compares to find `k` neighbours. Raise InputError if too few are available."""
    if available < k:
        raise InputError(f"{k} nearest neighbours cannot be found among {available} images: provide more images")
    return min(k + SPARE, available)


def sort_exactly(a: Points, b: Points, near: Int64Array, k: int) -> tuple[Float64Array, Int64Array]:
    """Return the k nearest of the candidates `near` [n, candidates], which are positions in `b`.

    Returns:
        Distances in float64 and positions, each [n, k], nearest first.
    """
    candidates = torch.from_numpy(near)
    rows = torch.arange(len(a)).repeat_interleave(near.shape[1])
    exact = exact_squared_distances(a, b, rows, candidates.flatten()).view(near.shape)
    order = exact.argsort(dim=1, stable=True)[:, :k]
    return exact.gather(1, order).sqrt().numpy(), candidates.gather(1, order).numpy()
