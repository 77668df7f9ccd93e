"""Euclidean distances between sets of features, a block at a time: what precision, recall, density, coverage and copies are counted from.

The large products run in float32 on centred features. Nearest neighbours are measured anew in float64, and a comparison that
float32 could get wrong is too, so that the answers are those of float64.
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
"""Items nearer to another than this quantile of the distances between real items are near-duplicates."""

BLOCK = 512
CACHED = 256  # pairs measured at a time in float64: what the processor's cache holds
GROUP = 8  # distances of which only the least is looked at first
SPARE = 4  # more candidates than neighbours asked for: float32 may order near ties wrongly
DOUBT = 1e-5  # squared distances closer than this part of the squared lengths are compared in float64


@dataclass(frozen=True)
class Points:
    """A set of features [n, d] as they came, the centre [d] about which they are taken, and their squared distances from it, float32 [n]."""

    exact: Tensor
    centre: Tensor
    squares: Tensor

    def __len__(self) -> int:
        return len(self.exact)

    def quick(self, rows: slice) -> Tensor:
        """Some rows about the centre, in float32."""
        return (self.exact[rows] - self.centre).float()


def points(features: FloatArray, centre: Float64Array) -> Points:
    """Raises InputError when a value is not finite."""
    if features.ndim != 2 or not np.isfinite(features).all():
        raise InputError("features must be finite numbers [n, d]: these images cannot be measured with this extractor")
    exact = torch.from_numpy(np.ascontiguousarray(features))
    found = Points(exact, torch.from_numpy(centre).to(exact.dtype), torch.empty(len(exact)))
    for rows in slices(len(exact)):
        found.squares[rows] = found.quick(rows).square().sum(dim=1)
    return found


def slices(n: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK))


def pair(first: FloatArray, second: FloatArray) -> tuple[Points, Points]:
    """Both sets about one centre, the mean of the second. Raises InputError for unequal d."""
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise InputError(f"features of {list(first.shape)} and {list(second.shape)} cannot be compared")
    centre = second.mean(axis=0, dtype=np.float64) if len(second) else np.zeros(second.shape[1])
    return points(first, centre), points(second, centre)


def squared(left: tuple[Tensor, Tensor], right: tuple[Tensor, Tensor], memory: Tensor) -> Tensor:
    """Squared distances float32 [n, m] of rows and their squared lengths on either side, in `memory` [at least n m]: fresh memory for
    every block would cost more than what is done in it."""
    (rows, of_rows), (columns, of_columns) = left, right
    found = memory[: len(rows) * len(columns)].view(len(rows), len(columns))
    # Numpy's product is a tenth faster by itself; beside torch's threads, which wait for work as eagerly as its own do, it is slower.
    return torch.mm(rows, columns.T, out=found).mul_(-2).add_(of_columns).add_(of_rows[:, None])


def blocks(a: Points, b: Points) -> Iterator[tuple[int, Tensor]]:
    """Squared distances float32 [m, len(b)] of `a`'s rows from `start` on, block by block, each in the memory of the one before."""
    right, memory = (b.quick(slice(None)), b.squares), torch.empty(min(BLOCK, len(a)) * len(b))
    for rows in slices(len(a)):
        yield rows.start, squared((a.quick(rows), a.squares[rows]), right, memory)


def exactly(a: Points, b: Points, rows: Tensor, columns: Tensor) -> Tensor:
    """Squared distances in float64 of the pairs (rows[i], columns[i])."""
    out = torch.empty(len(rows), dtype=torch.float64)
    for start in range(0, len(rows), CACHED):
        part = slice(start, start + CACHED)
        out[part] = torch.linalg.vector_norm(a.exact[rows[part]].double().sub_(b.exact[columns[part]]), dim=1).square_()
    return out


def nearest(first: FloatArray, second: FloatArray, k: int) -> tuple[Float64Array, Int64Array]:
    """For each row of `first` [n, d] the `k` nearest rows of `second` [m, d], nearest first: distances and positions, [n, k].

    Raises InputError where there are fewer than k.
    """
    a, b = pair(first, second)
    near = torch.empty(len(a), enough(k, len(b)), dtype=torch.int64)
    for start, found in blocks(a, b):
        values, columns = shortlist(found, near.shape[1])
        near[start : start + len(found)] = columns.gather(
            1, values.topk(near.shape[1], dim=1, largest=False, sorted=False).indices
        )
    return sorted_exactly(a, b, near, k)


def neighbours(features: FloatArray, k: int) -> tuple[Float64Array, Int64Array]:
    """For each row [n, d] the `k` nearest other rows of the set, as `nearest` gives them. Every pair is measured once.

    Raises InputError where there are fewer than k.
    """
    a, _ = pair(features, features)
    n, wanted = len(a), enough(k, len(a) - 1)
    least, near = torch.full((n, wanted), torch.inf), torch.zeros((n, wanted), dtype=torch.int64)

    def offer(to: slice, found: Tensor, first: int) -> None:
        """Rows `to` learn of their distances [rows, m] to the rows from `first` on."""
        values, columns = shortlist(found, wanted)
        least[to], best = torch.cat([least[to], values], dim=1).topk(wanted, dim=1, largest=False, sorted=False)
        near[to] = torch.cat([near[to], columns + first], dim=1).gather(1, best)

    whole, memory = a.quick(slice(None)), torch.empty(n * min(BLOCK, n))
    for rows in slices(n):
        rest = slice(rows.start, n)
        found = squared((whole[rest], a.squares[rest]), (whole[rows], a.squares[rows]), memory)
        found.fill_diagonal_(torch.inf)
        offer(rest, found, rows.start)
        offer(rows, found[found.shape[1] :].T, rows.stop)
    return sorted_exactly(a, a, near, k)


def shortlist(found: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Of each row [n, m] some values and their columns, among which the `k` least are.

    Groups of columns are reduced to their least first: the k least lie in the k groups with the least.
    """
    groups = found.shape[1] // GROUP
    if groups <= k:
        return found, torch.arange(found.shape[1]).expand_as(found)
    even = groups * GROUP
    chosen = (
        torch.unflatten(found[:, :even], 1, (GROUP, groups))
        .amin(dim=1)
        .topk(k, dim=1, largest=False, sorted=False)
        .indices
    )
    inside = (chosen[:, None] + groups * torch.arange(GROUP)[:, None]).flatten(1)
    among = torch.cat([inside, torch.arange(even, found.shape[1]).expand(len(found), -1)], dim=1)
    return found.gather(1, among), among


def enough(k: int, among: int) -> int:
    """Candidates that are measured exactly to find the k nearest. Raises InputError where there are fewer than k."""
    if among < k:
        raise InputError(f"{k} nearest neighbours cannot be found among {among} images: give more images")
    return min(k + SPARE, among)


def sorted_exactly(a: Points, b: Points, near: Tensor, k: int) -> tuple[Float64Array, Int64Array]:
    """Of candidates [n, m], as positions in `b`, the k nearest to each row of `a`, nearest first: distances in float64 and positions, [n, k]."""
    rows = torch.arange(len(a)).repeat_interleave(near.shape[1])
    exact = exactly(a, b, rows, near.flatten()).view(near.shape)
    order = exact.argsort(dim=1, stable=True)[:, :k]
    return exact.gather(1, order).sqrt().numpy(), near.gather(1, order).numpy()


def radii(features: FloatArray, k: int) -> Float64Array:
    """Distance of each row [n, d] to its k-th nearest neighbour in the set, [n]."""
    distances: Float64Array = neighbours(features, k)[0][:, -1]
    return distances


@dataclass(frozen=True)
class Balls:
    """How the rows of one set lie in balls about the rows of another, each with its own radius: `inside` [n], in how many balls a row
    lies; `filled` [m], how many rows a ball holds. On the surface is outside."""

    inside: Int64Array
    filled: Int64Array


def count(
    first: FloatArray, second: FloatArray, about_first: Float64Array, about_second: Float64Array
) -> tuple[Balls, Balls]:
    """In one pass: rows of `first` [n, d] in balls of radii `about_second` [m] about `second` [m, d], and the other way round."""
    a, b = pair(first, second)
    of_rows, of_columns = torch.from_numpy(np.square(about_first))[:, None], torch.from_numpy(np.square(about_second))
    there, back = (
        (np.zeros(len(a), np.int64), np.zeros(len(b), np.int64)),
        (np.zeros(len(b), np.int64), np.zeros(len(a), np.int64)),
    )
    longest = b.squares.max() if len(b) else 0.0
    memory = torch.empty(2, min(BLOCK, len(a)), len(b), dtype=torch.bool)
    for start, found in blocks(a, b):
        rows = slice(start, start + len(found))
        within, filled = inside(found, of_columns, DOUBT * (a.squares[rows].max() + b.squares), a, b, start, memory)
        there[0][rows] = within
        there[1][:] += filled
        filled, within = inside(found, of_rows[rows], DOUBT * (a.squares[rows, None] + longest), a, b, start, memory)
        back[0][:] += within
        back[1][rows] = filled
    return Balls(*there), Balls(*back)


def inside(
    found: Tensor, limit: Tensor, doubt: Tensor, a: Points, b: Points, start: int, memory: Tensor
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """How many squared distances [n, m] (of `a`'s rows from `start` on to `b`'s) are below `limit`, float64 [m] or [n, 1]: in each row and
    in each column. Where float32 could be wrong, by as much as `doubt`, they are measured anew. `memory` holds two such tables of bool.
    """
    within, maybe = (
        torch.lt(found, bound.float(), out=out[: len(found)]).numpy()
        for bound, out in zip((limit - doubt, limit + doubt), memory, strict=True)
    )
    rows = np.count_nonzero(within, axis=1)
    unsure = np.flatnonzero(np.count_nonzero(maybe, axis=1) != rows)
    if len(unsure):
        i, j = np.nonzero(maybe[unsure] ^ within[unsure])
        i = unsure[i]
        limits = limit.expand(found.shape)[i, j]
        within[i, j] = exactly(a, b, torch.from_numpy(i + start), torch.from_numpy(j)) < limits
        rows[unsure] = np.count_nonzero(within[unsure], axis=1)
    return rows, np.count_nonzero(within, axis=0)
