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

from pipeline.errors import InputError
from pipeline.evaluation.diversity import Int64Array
from pipeline.evaluation.fid import Float64Array, FloatArray

BLOCK = 512
CACHED = 256  # pairs measured at a time in float64: what the processor's cache holds
SPARE = 4  # more candidates than neighbours asked for: float32 may order near ties wrongly
DOUBT = 1e-5  # squared distances closer than this part of the squared lengths are compared in float64

Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Points:
    """A set of features [n, d] as they came, the centre [d] about which they are taken, and their squared distances from it, float32 [n]."""

    exact: Tensor
    centre: Tensor
    squares: Tensor

    def __len__(self) -> int:
        return len(self.exact)

    def quick(self, rows: slice) -> Float32Array:
        """Some rows about the centre, in float32."""
        return (self.exact[rows] - self.centre).float().numpy()


def points(features: FloatArray, centre: Float64Array) -> Points:
    """Raises InputError when a value is not finite."""
    if features.ndim != 2 or not np.isfinite(features).all():
        raise InputError("features must be finite numbers [n, d]: these images cannot be measured with this extractor")
    exact = torch.from_numpy(np.ascontiguousarray(features))
    found = Points(exact, torch.from_numpy(centre).to(exact.dtype), torch.empty(len(exact)))
    for rows in slices(len(exact)):
        found.squares[rows] = torch.from_numpy(found.quick(rows)).square().sum(dim=1)
    return found


def slices(n: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK))


def pair(first: FloatArray, second: FloatArray) -> tuple[Points, Points]:
    """Both sets about one centre, the mean of the second. Raises InputError for unequal d."""
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise InputError(f"features of {list(first.shape)} and {list(second.shape)} cannot be compared")
    centre = second.mean(axis=0, dtype=np.float64) if len(second) else np.zeros(second.shape[1])
    return points(first, centre), points(second, centre)


def blocks(a: Points, b: Points, *, above: bool = False) -> Iterator[tuple[int, Tensor]]:
    """Squared distances float32 [m, len(b)] of `a`'s rows from `start` on, block by block; with `above` to `b`'s rows from `start` on only."""
    whole = b.quick(slice(None))
    for rows in slices(len(a)):
        columns = slice(rows.start if above else 0, None)
        found = torch.from_numpy(a.quick(rows) @ whole[columns].T)  # numpy's product is a quarter faster than torch's at these shapes
        yield rows.start, found.mul_(-2).add_(b.squares[columns]).add_(a.squares[rows, None])


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
        near[start : start + len(found)] = found.topk(near.shape[1], dim=1, largest=False, sorted=False).indices
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
        values, chosen = found.topk(min(wanted, found.shape[1]), dim=1, largest=False, sorted=False)
        least[to], best = torch.cat([least[to], values], dim=1).topk(wanted, dim=1, largest=False, sorted=False)
        near[to] = torch.cat([near[to], chosen + first], dim=1).gather(1, best)

    for start, found in blocks(a, a, above=True):
        end = start + len(found)
        found.fill_diagonal_(torch.inf)
        offer(slice(start, end), found, start)
        offer(slice(end, n), found[:, len(found) :].T, start)
    return sorted_exactly(a, a, near, k)


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


def count(first: FloatArray, second: FloatArray, about_first: Float64Array, about_second: Float64Array) -> tuple[Balls, Balls]:
    """In one pass: rows of `first` [n, d] in balls of radii `about_second` [m] about `second` [m, d], and the other way round."""
    a, b = pair(first, second)
    of_rows, of_columns = torch.from_numpy(np.square(about_first))[:, None], torch.from_numpy(np.square(about_second))
    there, back = (np.zeros(len(a), np.int64), np.zeros(len(b), np.int64)), (np.zeros(len(b), np.int64), np.zeros(len(a), np.int64))
    longest = b.squares.max() if len(b) else 0.0
    for start, found in blocks(a, b):
        rows = slice(start, start + len(found))
        within = inside(found, of_columns, DOUBT * (a.squares[rows].max() + b.squares), a, b, start)
        there[0][rows] = np.count_nonzero(within, axis=1)
        there[1][:] += np.count_nonzero(within, axis=0)
        within = inside(found, of_rows[rows], DOUBT * (a.squares[rows, None] + longest), a, b, start)
        back[0][:] += np.count_nonzero(within, axis=0)
        back[1][rows] = np.count_nonzero(within, axis=1)
    return Balls(*there), Balls(*back)


def inside(found: Tensor, limit: Tensor, doubt: Tensor, a: Points, b: Points, start: int) -> BoolArray:
    """Which squared distances [n, m] (of `a`'s rows from `start` on to `b`'s) are below `limit`, float64 [m] or [n, 1]; where float32
    could be wrong, by as much as `doubt`, they are measured anew."""
    within, maybe = found < (limit - doubt).float(), found < (limit + doubt).float()
    answers: BoolArray = within.numpy()
    i, j = (maybe ^ within).nonzero(as_tuple=True)
    if len(i):
        answers[i.numpy(), j.numpy()] = (exactly(a, b, i + start, j) < limit.expand(found.shape)[i, j]).numpy()
    return answers
