"""Fréchet distance between two sets of features (Heusel et al. 2017, eq. 6): stable, in float64, never NaN.

    |mu1 - mu2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2), S with N - 1 as in np.cov

The trace of the root never needs the root itself: with S1 = A A^T and S2 = B B^T it is the sum of the singular
values of A^T B. A Cholesky factor is the cheap A; where the covariance is singular (dead units, fewer items than
features) the items themselves, or an eigendecomposition, are.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.arrays import Float64Array, FloatArray
from pipeline.errors import InputError

STRIP = 256
ROWS = 2500  # of features widened to float64 at a time: fresh memory costs a processor more than what it computes in it
OVERFLOW = "the features are too large for float64: their covariance overflows"
SINGULAR = 1e-6  # a Cholesky pivot this far under the largest would lose half of float64's digits


@dataclass(frozen=True)
class Moments:
    """Count, mean [d] and scatter [d, d] (sum of outer products about the mean) of a set of features."""

    count: int
    mean: Float64Array
    scatter: Float64Array

    @classmethod
    def of(cls, features: FloatArray) -> "Moments":
        """Moments of features [n, d], n >= 1. Raises InputError when a value is not finite."""
        x = finite(features)
        n, d = x.shape
        mean = x.mean(axis=0, dtype=np.float64)
        scatter, product, centred = np.zeros((d, d)), np.empty((d, d)), np.empty((min(n, max(ROWS, d)), d))
        for start in range(0, n, len(centred)):
            rows = x[start : start + len(centred)]
            part = np.subtract(rows, mean, out=centred[: len(rows)])
            scatter += np.matmul(part.T, part, out=product)
        return cls(n, mean, scatter)

    @property
    def freedom(self) -> int:
        """What the scatter is divided by: N - 1. Raises InputError for a single item, which has no covariance."""
        if self.count < 2:
            raise InputError("a Fréchet distance needs at least 2 items on either side; there is 1")
        return self.count - 1

    @property
    def covariance(self) -> Float64Array:
        """[d, d] with N - 1."""
        return self.scatter / self.freedom

    @property
    def trace(self) -> float:
        """Of the covariance."""
        return float(np.trace(self.scatter)) / self.freedom

    @cached_property
    def lower(self) -> Float64Array | None:
        """The Cholesky factor of the covariance; None where that is singular, or nearly so (dead units)."""
        try:
            lower = np.asarray(np.linalg.cholesky(self.covariance), dtype=np.float64)
        except np.linalg.LinAlgError:
            return None
        pivots = np.diag(lower)
        return lower if pivots.min() > SINGULAR * pivots.max() else None

    @cached_property
    def root(self) -> Float64Array:
        """A [d, d] with A A^T the covariance, whatever its rank."""
        covariance = self.covariance
        if not np.isfinite(covariance).all():
            raise InputError(OVERFLOW)
        values, vectors = np.linalg.eigh(covariance)
        return np.asarray(vectors * np.sqrt(np.clip(values, 0.0, None)), dtype=np.float64)


class Side:
    """Features [n, d] of one side of a distance. What is computed of them is kept: a set that others are compared with is worked out once.

    Raises InputError for values that are not finite.
    """

    def __init__(self, features: FloatArray) -> None:
        self.x = finite(features)

    @classmethod
    def of(cls, features: "FloatArray | Side") -> "Side":
        """The side itself where it is one already."""
        return features if isinstance(features, Side) else cls(features)

    @cached_property
    def moments(self) -> Moments:
        return Moments.of(self.x)

    @cached_property
    def thin(self) -> tuple[Float64Array, Float64Array]:
        """The mean, and A [d, min(n, d)] with A A^T the covariance: the items themselves while they are few."""
        if len(self.x) > self.x.shape[1]:
            return self.moments.mean, self.moments.root
        if len(self.x) < 2:
            raise InputError("a Fréchet distance needs at least 2 items on either side; there is 1")
        mean = self.x.mean(axis=0, dtype=np.float64)
        return mean, (self.x - mean).T / np.sqrt(len(self.x) - 1)


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused at the end
def fid(first: FloatArray | Side, second: FloatArray | Side) -> float:
    """Fréchet distance between features [n, d] and [m, d]; >= 0, 0 for equal sets.

    Raises InputError for fewer than 2 items, unequal d, or values that are not finite.
    """
    one, other = Side.of(first), Side.of(second)
    d = one.x.shape[1]
    if other.x.shape[1] != d:
        raise InputError(f"features of different extractors: {d} and {other.x.shape[1]} dimensions")
    if min(len(one.x), len(other.x)) > d:
        return frechet(one.moments, other.moments)
    (mean1, a), (mean2, b) = one.thin, other.thin
    return assemble(mean1 - mean2, float(np.sum(a * a)), float(np.sum(b * b)), nuclear(a, b))


@np.errstate(over="ignore", invalid="ignore")
def frechet(first: Moments, second: Moments) -> float:
    """Fréchet distance from moments alone; see `fid`. What is worked out of `second` is kept with it."""
    delta, traces = first.mean - second.mean, (first.trace, second.trace)
    if second.lower is None:
        return assemble(delta, *traces, nuclear(first.root, second.root))
    product = between(second.lower, first.scatter)
    if not np.isfinite(product).all():
        raise InputError(OVERFLOW)
    eigenvalues = np.linalg.eigvalsh(product) / first.freedom
    return assemble(delta, *traces, float(np.sqrt(np.clip(eigenvalues, 0.0, None)).sum()))


def between(lower: Float64Array, scatter: Float64Array) -> Float64Array:
    """The lower triangle of L^T S L [d, d], a block at a time: what is zero in L or above the diagonal of the product is not worked out."""
    out = np.zeros_like(scatter)
    for start in range(0, len(lower), STRIP):
        columns = slice(start, start + STRIP)
        right = scatter[start:, start:] @ lower[start:, columns]
        for below in range(start, len(lower), STRIP):
            rows = slice(below, below + STRIP)
            out[rows, columns] = lower[below:, rows].T @ right[below - start :]
    return out


def assemble(delta: Float64Array, trace1: float, trace2: float, root: float) -> float:
    value = float(delta @ delta) + trace1 + trace2 - 2.0 * root
    if not np.isfinite(value):
        raise InputError(OVERFLOW)
    return max(value, 0.0)


def nuclear(a: Float64Array, b: Float64Array) -> float:
    """Sum of the singular values of A^T B."""
    product = a.T @ b
    if not np.isfinite(product).all():
        raise InputError(OVERFLOW)
    return float(np.linalg.svd(product, compute_uv=False).sum())


def checked(features: FloatArray) -> Float64Array:
    """Features [n, d] as float64; see `finite`."""
    return np.asarray(finite(features), dtype=np.float64)


def finite(features: FloatArray) -> FloatArray:
    """Features [n, d], float32 or float64. Raises InputError for another shape, an empty set, NaN or Inf."""
    x = np.asarray(features)
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float64)
    if x.ndim != 2 or x.shape[0] == 0 or x.shape[1] == 0:
        raise InputError(f"features must be a table [items, dimensions] that is not empty, not {list(x.shape)}")
    if np.isfinite(x.sum(dtype=np.float64)):  # one pass; only where it fails is it worth while to look at each
        return x
    bad = int((~np.isfinite(x)).any(axis=1).sum())
    if bad:
        raise InputError(f"features of {bad:,} of {len(x):,} items hold NaN or Inf")
    return x
