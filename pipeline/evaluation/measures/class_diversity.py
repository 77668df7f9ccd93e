"""Diversity within a class: twenty prototypes of each digit fill every class and still repeat themselves."""

from collections.abc import Sequence

import numpy as np

from pipeline.arrays import Float32Array, Int64Array
from pipeline.evaluation.measures.vendi import vendi

FEWEST = 10  # images of a class on either side
DRAWS = 5  # subsets of one size; the mean is reported
MOST = 1000  # images of a class on either side: the score of wide features takes their cube


def class_diversity(
    fake: Float32Array, shown: Int64Array, real: Float32Array, labels: Int64Array, classes: Sequence[str], seed: int
) -> list[tuple[str, float]]:
    """Each class's Vendi score of samples over that of real images, at equal numbers: about 1 where samples vary as real ones do.

    Features [n, d] of samples with the classes they show [n], and of real images with their labels; a class with fewer than 10 of
    either is left out.
    """
    found = []
    for number, name in enumerate(classes):
        ours, theirs = fake[shown == number], real[labels == number]
        n = min(len(ours), len(theirs), MOST)
        if n < FEWEST:
            continue
        rng = np.random.default_rng([seed, number])
        scores = [
            [vendi(side[rng.choice(len(side), n, replace=False)]) for side in (ours, theirs)] for _ in range(DRAWS)
        ]
        mine, truth = np.mean(scores, axis=0)
        found.append((name, float(mine / truth)))
    return found
