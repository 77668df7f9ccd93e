"""The Inception score, computed from a classifier's logits.

Salimans et al., "Improved Techniques for Training GANs" (2016), section 4.
"""

import numpy as np

from pipeline.arrays import FloatArray
from pipeline.errors import InputError

SPLITS = 10  # parts of the samples whose scores are averaged, as published


def inception_score(logits: FloatArray, seed: int, splits: int = SPLITS) -> float:
    """Compute exp of the mean KL(p(y|x) || p(y)), from 1 (worst) to K (best).

    Confident and diverse predictions score high. The score does not use real images: a generator that draws one
    perfect image of each class scores best. Each part has its own p(y), so fewer samples score lower.

    Args:
        logits: Class logits of samples, [n, K].
        seed: Shuffles the samples before they are divided into parts.
        splits: Number of parts; with fewer samples each part is one sample.

    Raises:
        InputError: There are no samples, or a value is not finite.
    """
    if logits.ndim != 2 or len(logits) == 0 or not np.isfinite(logits).all():
        raise InputError("the Inception score needs finite logits [n, classes] of at least one image")
    order = np.random.RandomState(seed).permutation(len(logits))
    shuffled = logits[order].astype(np.float64)
    log_p = shuffled - np.logaddexp.reduce(shuffled, axis=1, keepdims=True)
    n, parts = len(log_p), min(splits, len(log_p))
    scores = []
    for first, last in zip(np.arange(parts) * n // parts, np.arange(1, parts + 1) * n // parts, strict=True):
        part = log_p[first:last]
        log_q = np.logaddexp.reduce(part, axis=0) - np.log(len(part))
        scores.append(np.exp(np.mean(np.sum(np.exp(part) * (part - log_q), axis=1))))
    return float(np.mean(scores))
