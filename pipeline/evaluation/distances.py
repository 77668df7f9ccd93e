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

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Points:
    """A set of features [n, d]: exactly, and centred in float32 with their squared lengths."""

    exact: Tensor
    quick: Tensor
    squares: Tensor

    def __len__(self) -> int:
        return len(self.exact)


def points(features: FloatArray, centre: Float64Array) -> Points:
    """Raises InputError when a value is not finite."""
    if features.ndim != 2 or not np.isfinite(features).all():
        raise InputError("features must be finite numbers [n, d]: these images cannot be measured with this extractor")
    exact = torch.from_numpy(np.ascontiguousarray(features))
    quick = (exact.double() - torch.from_numpy(centre)).float()
    return Points(exact, quick, quick.square().sum(dim=1))


def pair(first: FloatArray, second: FloatArray) -> tuple[Points, Points]:
    """Both sets about one centre, the mean of the second. Raises InputError for unequal d."""
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise InputError(f"features of {list(first.shape)} and {list(second.shape)} cannot be compared")
    centre = second.mean(axis=0, dtype=np.float64) if len(second) else np.zeros(second.shape[1])
    return points(first, centre), points(second, centre)


def blocks(a: Points, b: Points) -> Iterator[tuple[int, Tensor]]:
    """Squared distances float32 [m, len(b)] of `a`'s rows from `start` on, block by block."""
    for start in range(0, len(a), BLOCK):
        rows = slice(start, start + BLOCK)
        found = torch.addmm(b.squares, a.quick[rows], b.quick.T, alpha=-2)
        yield start, found.add_(a.squares[rows, None])


def exactly(a: Points, b: Points, rows: Tensor, columns: Tensor) -> Tensor:
    """Squared distances in float64 of the pairs (rows[i], columns[i])."""
    out = torch.empty(len(rows), dtype=torch.float64)
    for start in range(0, len(rows), CACHED):
        part = slice(start, start + CACHED)
        out[part] = torch.linalg.vector_norm(a.exact[rows[part]].double().sub_(b.exact[columns[part]]), dim=1).square_()
    return out


def nearest(first: FloatArray, second: FloatArray, k: int, *, same: bool = False) -> tuple[Float64Array, Int64Array]:
    """For each row of `first` [n, d] the `k` nearest rows of `second` [m, d], nearest first: distances and positions, [n, k].

    `same`: both are one set, and a row is no neighbour of itself. Raises InputError where there are fewer than k.
    """
    a, b = pair(first, second)
    if len(b) - same < k:
        raise InputError(f"{k} nearest neighbours cannot be found among {len(b)} images: give more images")
    wanted = min(k + SPARE, len(b) - same)
    distances, positions = np.empty((len(a), k)), np.empty((len(a), k), dtype=np.int64)
    for start, found in blocks(a, b):
        rows = torch.arange(len(found))
        if same:
            found[rows, rows + start] = torch.inf
        near = found.topk(wanted, dim=1, largest=False, sorted=False).indices
        exact = exactly(a, b, (rows + start).repeat_interleave(wanted), near.flatten()).view(len(found), wanted)
        order = exact.argsort(dim=1, stable=True)[:, :k]
        distances[start : start + len(found)] = exact.gather(1, order).sqrt().numpy()
        positions[start : start + len(found)] = near.gather(1, order).numpy()
    return distances, positions


def radii(features: FloatArray, k: int) -> Float64Array:
    """Distance of each row [n, d] to its k-th nearest neighbour in the set, [n]."""
    distances: Float64Array = nearest(features, features, k, same=True)[0][:, -1]
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
