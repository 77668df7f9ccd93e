"""The Inception score: Salimans et al., "Improved Techniques for Training GANs" (2016), section 4."""

import numpy as np

from pipeline.arrays import FloatArray
from pipeline.errors import InputError

SPLITS = 10  # the score is the mean over this many parts of the samples, as published


def inception_score(logits: FloatArray, seed: int, splits: int = SPLITS) -> float:
    """exp of the mean KL(p(y|x) || p(y)) of class logits [n, K]: 1 at worst, K at best; higher is more decided and more varied.

    p(y) is the mean of its part alone, so fewer samples score lower. It knows no real images: a generator that draws one perfect
    picture of each of Inception's classes scores best of all. Parts come from a shuffle by `seed`; of fewer than 10 samples each
    part is one item. Raises InputError for no items, or values that are not finite.
    """
    if logits.ndim != 2 or len(logits) == 0 or not np.isfinite(logits).all():
        raise InputError("an Inception score needs finite logits [n, classes] of at least one image")
    order = np.random.RandomState(seed).permutation(len(logits))
    wide = logits[order].astype(np.float64)
    log_p = wide - np.logaddexp.reduce(wide, axis=1, keepdims=True)
    n, parts = len(log_p), min(splits, len(log_p))
    scores = []
    for first, last in zip(np.arange(parts) * n // parts, np.arange(1, parts + 1) * n // parts, strict=True):
        part = log_p[first:last]
        log_q = np.logaddexp.reduce(part, axis=0) - np.log(len(part))
        scores.append(np.exp(np.mean(np.sum(np.exp(part) * (part - log_q), axis=1))))
    return float(np.mean(scores))
