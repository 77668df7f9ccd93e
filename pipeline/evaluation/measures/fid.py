"""Fréchet distance between two sets of features: Heusel et al., "GANs Trained by a Two Time-Scale ..." (2017), eq. 6.

    |mu1 - mu2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2), S with N - 1 as in np.cov

It is computed in float64, is numerically stable and never NaN. The matrix root is not needed for its trace: with
S1 = A A^T and S2 = B B^T the trace is the sum of the singular values of A^T B. A is the Cholesky factor of the
covariance, which is cheap. If the covariance is singular (dead units, fewer items than features), A comes from the
items themselves or from an eigendecomposition.

All large products and decompositions run in SciPy's BLAS: the threads of two libraries would wait for each other.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.arrays import Float64Array, FloatArray
from pipeline.errors import InputError

STRIP = 256  # rows and columns of a block of a matrix that is mirrored
ROWS = 2500  # rows converted to float64 at a time, because allocating memory takes longer than computing in it
SINGULAR = 1e-6  # a Cholesky pivot this far below the largest one would lose half of float64's digits
OVERFLOW = "the features are too large for float64: their covariance overflows"
ONE_ITEM = "a Fréchet distance needs at least 2 items on either side, but one side has 1"


@dataclass(frozen=True)
class Moments:
    """Moments of a set of features.

    Attributes:
        count: Number of items.
        mean: Mean, [d].
        scatter: Sum of the outer products of the centred features, [d, d].
    """

    count: int
    mean: Float64Array
    scatter: Float64Array

    @classmethod
    def of(cls, features: FloatArray) -> "Moments":
        """Compute the moments of features [n, d]. Raise InputError if a value is not finite or there is no item."""
        from scipy.linalg.blas import dsyrk

        x = require_features(features)
        n, d = x.shape
        # Centring on the first rows is as exact as on the mean, and needs one pass less.
        centre, total = x[:ROWS].mean(axis=0, dtype=np.float64), np.zeros(d)
        scatter, memory = np.zeros((d, d)), np.empty((min(n, max(ROWS, d)), d))
        for start in range(0, n, len(memory)):
            rows = x[start : start + len(memory)]
            part = np.subtract(rows, centre, out=memory[: len(rows)])
            total += part.sum(axis=0)
            # BLAS counts columns first: the upper triangle of the transpose is the lower one.
            dsyrk(1.0, part.T, beta=1.0, c=scatter.T, overwrite_c=True)
        offset = total / n
        if not np.isfinite(offset).all():
            require_finite(x)
        mirror_lower(scatter)
        scatter -= n * np.outer(offset, offset)
        return cls(n, centre + offset, scatter)

    @property
    def freedom(self) -> int:
        """Degrees of freedom, N - 1. Raises InputError for a single item, which has no covariance."""
        if self.count < 2:
            raise InputError(ONE_ITEM)
        return self.count - 1

    @property
    def covariance(self) -> Float64Array:
        """The covariance, [d, d]."""
        return self.scatter / self.freedom

    @property
    def trace(self) -> float:
        """Trace of the covariance."""
        return float(np.trace(self.scatter)) / self.freedom

    @cached_property
    def lower(self) -> Float64Array | None:
        """Cholesky factor of the covariance; None if that is (nearly) singular, for example with dead units."""
        from scipy.linalg import LinAlgError, cholesky

        try:
            lower: Float64Array = cholesky(self.covariance.T, lower=True, overwrite_a=True, check_finite=False)
        except LinAlgError:
            return None
        pivots = np.diag(lower)
        return lower if pivots.min() > SINGULAR * pivots.max() else None

    @cached_property
    def root(self) -> Float64Array:
        """A matrix A [d, d] with A A^T = covariance, of any rank."""
        covariance = self.covariance
        if not np.isfinite(covariance).all():
            raise InputError(OVERFLOW)
        values, vectors = np.linalg.eigh(covariance)
        return np.asarray(vectors * np.sqrt(np.clip(values, 0.0, None)), dtype=np.float64)


class Side:
    """One side of a distance: features [n, d], and their moments, which are computed once.

    Raises:
        InputError: The set is empty. A value that is not finite is found when the moments are computed.
    """

    def __init__(self, features: FloatArray) -> None:
        self.x = require_features(features)

    @classmethod
    def of(cls, features: "FloatArray | Side") -> "Side":
        """Wrap features; return a Side unchanged."""
        return features if isinstance(features, Side) else cls(features)

    @cached_property
    def moments(self) -> Moments:
        """Moments of the features."""
        return Moments.of(self.x)

    @cached_property
    def factor(self) -> tuple[Float64Array, Float64Array]:
        """The mean, and A [d, min(n, d)] with A A^T = covariance; up to d items A holds the items themselves."""
        if len(self.x) > self.x.shape[1]:
            return self.moments.mean, self.moments.root
        if len(self.x) < 2:
            raise InputError(ONE_ITEM)
        mean = require_finite(self.x).mean(axis=0, dtype=np.float64)
        return mean, (self.x - mean).T / np.sqrt(len(self.x) - 1)


@np.errstate(over="ignore", invalid="ignore")  # an overflow raises InputError at the end
def fid(first: FloatArray | Side, second: FloatArray | Side) -> float:
    """Compute the Fréchet distance between features [n, d] and [m, d]; at least 0, and 0 for equal sets.

    Raises:
        InputError: A set has fewer than 2 items, d differs, or a value is not finite.
    """
    one, other = Side.of(first), Side.of(second)
    d = one.x.shape[1]
    if other.x.shape[1] != d:
        raise InputError(f"the features come from different extractors: {d} and {other.x.shape[1]} dimensions")
    if min(len(one.x), len(other.x)) > d:
        return frechet(one.moments, other.moments)
    (mean1, a), (mean2, b) = one.factor, other.factor
    return combine_terms(mean1 - mean2, float(np.sum(a * a)), float(np.sum(b * b)), nuclear_norm(a, b))


@np.errstate(over="ignore", invalid="ignore")
def frechet(first: Moments, second: Moments) -> float:
    """Compute the Fréchet distance from moments; see `fid`. The Cholesky factor of `second` is computed once."""
    delta, traces = first.mean - second.mean, (first.trace, second.trace)
    if second.lower is None:
        return combine_terms(delta, *traces, nuclear_norm(first.root, second.root))
    eigenvalues = product_eigenvalues(second.lower, first.scatter) / first.freedom
    return combine_terms(delta, *traces, float(np.sqrt(np.clip(eigenvalues, 0.0, None)).sum()))


def product_eigenvalues(lower: Float64Array, scatter: Float64Array) -> Float64Array:
    """Return the eigenvalues of L^T S L [d], S symmetric. Raise InputError if the product overflows."""
    from scipy.linalg import eigvalsh
    from scipy.linalg.lapack import dsygst

    product, _ = dsygst(scatter.T, lower, itype=2, lower=True)
    if not np.isfinite(product).all():
        raise InputError(OVERFLOW)
    values: Float64Array = eigvalsh(product, lower=True, overwrite_a=True, check_finite=False, driver="evr")
    return values


def mirror_lower(matrix: Float64Array) -> None:
    """Copy the lower triangle of a matrix to its upper one, in place and in blocks that fit into the cache."""
    for start in range(0, len(matrix), STRIP):
        rows = slice(start, start + STRIP)
        matrix[:start, rows] = matrix[rows, :start].T
        block = matrix[rows, rows]
        block[...] = np.tril(block) + np.tril(block, -1).T


def combine_terms(delta: Float64Array, trace1: float, trace2: float, root: float) -> float:
    """Add the terms of the distance; `root` is the trace of the matrix root. Raise InputError on overflow."""
    value = float(delta @ delta) + trace1 + trace2 - 2.0 * root
    if not np.isfinite(value):
        raise InputError(OVERFLOW)
    return max(value, 0.0)


def nuclear_norm(a: Float64Array, b: Float64Array) -> float:
    """Compute the sum of the singular values of A^T B."""
    product = a.T @ b
    if not np.isfinite(product).all():
        raise InputError(OVERFLOW)
    return float(np.linalg.svd(product, compute_uv=False).sum())


def as_float64(features: FloatArray) -> Float64Array:
    """Return features [n, d] as float64; errors as in `require_finite`."""
    return np.asarray(require_finite(features), dtype=np.float64)


def require_features(features: FloatArray) -> FloatArray:
    """Return features [n, d] as float32 or float64. Raise InputError for other shapes and empty sets."""
    x = np.asarray(features)
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float64)
    if x.ndim != 2 or x.shape[0] == 0 or x.shape[1] == 0:
        raise InputError(f"features must be a non-empty array [items, dimensions], not {list(x.shape)}")
    return x


def require_finite(features: FloatArray) -> FloatArray:
    """Return features [n, d] as `require_features` does. Raise InputError for NaN and Inf, too."""
    x = require_features(features)
    if np.isfinite(x.sum(dtype=np.float64)):  # a single pass, which is enough in almost all cases
        return x
    bad = int((~np.isfinite(x)).any(axis=1).sum())
    if bad:
        raise InputError(f"features of {bad:,} of {len(x):,} items contain NaN or Inf")
    return x
