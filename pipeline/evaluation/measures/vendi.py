"""Vendi score with the cosine kernel.

Friedman and Dieng, "The Vendi Score: A Diversity Evaluation Metric for Machine Learning" (2023).
"""

import numpy as np

from pipeline.arrays import FloatArray
from pipeline.errors import InputError


def vendi(features: FloatArray) -> float:
    """Compute the effective number of distinct items among features [n, d], from 1 to min(n, d).

    The score is exp of the entropy of the eigenvalues of K / n, where K holds the cosines between items (eq. 2). With
    d < n the eigenvalues come from the d x d matrix of the dual problem.

    Raises:
        InputError: There are no items, or a value is not finite.
    """
    if features.ndim != 2 or len(features) == 0 or not np.isfinite(features).all():
        raise InputError("the Vendi score needs finite features [n, d] of at least one image")
    x = features.astype(np.float64)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    # An item whose features are all zero has no direction: it adds nothing to K.
    x = np.divide(x, lengths, out=np.zeros_like(x), where=lengths > 0)
    n, d = x.shape
    eigenvalues = np.linalg.eigvalsh((x.T @ x if d < n else x @ x.T) / n)
    p = eigenvalues[eigenvalues > 1e-12]
    return float(np.exp(-np.sum(p * np.log(p)))) if len(p) else 1.0
