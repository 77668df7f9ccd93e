"""Fréchet distance between two sets of features (Heusel et al. 2017, eq. 6): stable, in float64, never NaN.

    |mu1 - mu2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2), S with N - 1 as in np.cov

The trace of the root never needs the root itself: with S1 = A A^T and S2 = B B^T it is the sum of the singular
values of A^T B. A Cholesky factor is the cheap A; where the covariance is singular (dead units, fewer items than
features) the items themselves, or an eigendecomposition, are.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError

FloatArray = npt.NDArray[np.floating]
Float64Array = npt.NDArray[np.float64]

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
        x = checked(features)
        mean = x.mean(axis=0)
        centred = x - mean
        return cls(len(x), mean, centred.T @ centred)

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets together (Chan, Golub & LeVeque 1979): exact at any offset of the mean."""
        count = self.count + other.count
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.count / count)
        scatter = self.scatter + other.scatter + np.outer(delta, delta) * (self.count * other.count / count)
        return Moments(count, mean, scatter)

    @property
    def covariance(self) -> Float64Array:
        """[d, d] with N - 1. Raises InputError for a single item, which has none."""
        if self.count < 2:
            raise InputError("a Fréchet distance needs at least 2 items on either side; there is 1")
        return self.scatter / (self.count - 1)


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused at the end
def fid(first: FloatArray, second: FloatArray) -> float:
    """Fréchet distance between features [n, d] and [m, d]; >= 0, 0 for equal sets.

    Raises InputError for fewer than 2 items, unequal d, or values that are not finite.
    """
    x, y = checked(first), checked(second)
    d = x.shape[1]
    if y.shape[1] != d:
        raise InputError(f"features of different extractors: {d} and {y.shape[1]} dimensions")
    if min(len(x), len(y)) > d:
        return frechet(Moments.of(x), Moments.of(y))
    (mean1, a), (mean2, b) = (thin_factor(x), thin_factor(y))
    return assemble(mean1 - mean2, float(np.sum(a * a)), float(np.sum(b * b)), nuclear(a, b))


@np.errstate(over="ignore", invalid="ignore")
def frechet(first: Moments, second: Moments) -> float:
    """Fréchet distance from moments alone; see `fid`."""
    s1, s2 = first.covariance, second.covariance
    return assemble(first.mean - second.mean, float(np.trace(s1)), float(np.trace(s2)), trace_root(s1, s2))


def assemble(delta: Float64Array, trace1: float, trace2: float, root: float) -> float:
    value = float(delta @ delta) + trace1 + trace2 - 2.0 * root
    if not np.isfinite(value):
        raise InputError("the features are too large for float64: their covariance overflows")
    return max(value, 0.0)


def trace_root(s1: Float64Array, s2: Float64Array) -> float:
    """tr (S1 S2)^1/2 of two covariances [d, d]."""
    try:
        lower = np.linalg.cholesky(s1)
        pivots = np.diag(lower)
        if pivots.min() > SINGULAR * pivots.max():
            eigenvalues = np.linalg.eigvalsh(lower.T @ s2 @ lower)
            return float(np.sqrt(np.clip(eigenvalues, 0.0, None)).sum())
    except np.linalg.LinAlgError:
        pass  # dead units: the eigendecomposition below takes them
    return nuclear(root_factor(s1), root_factor(s2))


def root_factor(covariance: Float64Array) -> Float64Array:
    """A [d, d] with A A^T = S, for any positive semidefinite S."""
    if not np.isfinite(covariance).all():
        raise InputError("the features are too large for float64: their covariance overflows")
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0.0, None)), dtype=np.float64)


def thin_factor(x: Float64Array) -> tuple[Float64Array, Float64Array]:
    """The mean of items [n, d], and A [d, min(n, d)] with A A^T their covariance: the items themselves while they are few."""
    if len(x) > x.shape[1]:
        moments = Moments.of(x)
        return moments.mean, root_factor(moments.covariance)
    if len(x) < 2:
        raise InputError("a Fréchet distance needs at least 2 items on either side; there is 1")
    mean = x.mean(axis=0)
    return mean, (x - mean).T / np.sqrt(len(x) - 1)


def nuclear(a: Float64Array, b: Float64Array) -> float:
    """Sum of the singular values of A^T B."""
    product = a.T @ b
    if not np.isfinite(product).all():
        raise InputError("the features are too large for float64: their covariance overflows")
    return float(np.linalg.svd(product, compute_uv=False).sum())


def checked(features: FloatArray) -> Float64Array:
    """Features [n, d] as float64. Raises InputError for another shape, an empty set, NaN or Inf."""
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or x.shape[0] == 0 or x.shape[1] == 0:
        raise InputError(f"features must be a table [items, dimensions] that is not empty, not {list(x.shape)}")
    bad = int((~np.isfinite(x)).any(axis=1).sum())
    if bad:
        raise InputError(f"features of {bad:,} of {len(x):,} items hold NaN or Inf")
    return x
