"""Measure the diversity within each class: twenty prototypes of each digit cover every class but lack diversity."""

from collections.abc import Sequence

import numpy as np

from pipeline.arrays import Float32Array, Int64Array
from pipeline.evaluation.measures.vendi import vendi

FEWEST = 10  # images of a class on either side
DRAWS = 5  # subsets of equal size whose scores are averaged
MOST = 1000  # images of a class on either side: the time is cubic in them with wide features


def class_diversity(
    fake: Float32Array,
    fake_labels: Int64Array,
    real: Float32Array,
    labels: Int64Array,
    *,
    classes: Sequence[str],
    seed: int,
) -> list[tuple[str, float]]:
    """Compute the Vendi score of samples divided by that of real images, for each class.

    Both scores are of the same number of images. A generator as diverse as the data scores about 1.

    Args:
        fake: Features of samples, [n, d].
        fake_labels: Classes that the samples show, [n].
        real: Features of real images, [m, d].
        labels: Labels of the real images, [m].
        classes: Names of the classes.
        seed: Seed of the subsets.

    Returns:
        Name and ratio of each class with at least 10 samples and 10 real images.
    """
    ratios = []
    for number, name in enumerate(classes):
        ours, theirs = fake[fake_labels == number], real[labels == number]
        n = min(len(ours), len(theirs), MOST)
        if n < FEWEST:
            continue
        rng = np.random.default_rng([seed, number])
        scores = [
            [vendi(side[rng.choice(len(side), n, replace=False)]) for side in (ours, theirs)] for _ in range(DRAWS)
        ]
        generated, expected = np.mean(scores, axis=0)
        ratios.append((name, float(generated / expected)))
    return ratios
