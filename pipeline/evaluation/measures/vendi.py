"""The Vendi score: Friedman and Dieng, "The Vendi Score: A Diversity Evaluation Metric" (2023), with the cosine kernel."""

import numpy as np

from pipeline.arrays import FloatArray
from pipeline.errors import InputError


def vendi(features: FloatArray) -> float:
    """The effective number of different items among features [n, d]: 1 where all point one way, at most min(n, d).

    exp of the entropy of the eigenvalues of K / n, K the cosines between items (eq. 2); found from the d x d dual where d < n.
    Raises InputError for no items, or values that are not finite.
    """
    if features.ndim != 2 or len(features) == 0 or not np.isfinite(features).all():
        raise InputError("a Vendi score needs finite features [n, d] of at least one image")
    x = features.astype(np.float64)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    # An item without features is like no other, and like itself: nothing of it is left to add.
    x = np.divide(x, lengths, out=np.zeros_like(x), where=lengths > 0)
    n, d = x.shape
    eigenvalues = np.linalg.eigvalsh((x.T @ x if d < n else x @ x.T) / n)
    p = eigenvalues[eigenvalues > 1e-12]
    return float(np.exp(-np.sum(p * np.log(p)))) if len(p) else 1.0
