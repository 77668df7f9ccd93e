"""Compare the means of item statistics, which the medium defines, between samples and real items."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.arrays import Float64Array
from pipeline.evaluation.extractors.base import Images
from pipeline.evaluation.measures.calibration import comparison_size, draw_orders, summarise
from pipeline.items import ItemSpec
from pipeline.measure import Measurement
from pipeline.media.registry import find_medium

BATCH = 1024
OFFSET = 1e-6
"""Added to each mean, so that the ratio of two zeros is 1."""

Statistics = Mapping[str, Float64Array]


def statistics(item: ItemSpec, items: Images) -> Statistics:
    """Return the statistics of a set of items, each [n]; empty for an empty set."""
    medium = find_medium(item.medium)
    starts = range(0, len(items), BATCH)
    return concatenate(
        [medium.statistics(items.images(np.arange(start, min(start + BATCH, len(items)))), item) for start in starts]
    )


def concatenate(parts: Sequence[Statistics]) -> Statistics:
    """Concatenate the statistics of several sets."""
    return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else {})}


def compare_means(fake: Statistics, pool: Statistics, seed: int) -> dict[str, Measurement]:
    """Divide the mean of each statistic over samples by its mean over real items; 1 means equal.

    Values and nulls are computed from sets of the same size.

    Args:
        fake: Statistics of samples.
        pool: Statistics of real items.
        seed: Seed of the draws.

    Returns:
        Measurements by name; empty without statistics or with too few items.
    """
    if not pool:
        return {}
    samples, real = (np.stack(list(values.values()), axis=1) for values in (fake, pool))
    n = comparison_size(len(samples), len(real))
    if n == 0:
        return {}
    rng = np.random.default_rng([seed, 2])
    values, nulls = [], []
    for order in draw_orders(len(real), n, seed):
        half = real[order[:n]].mean(axis=0) + OFFSET
        values.append((samples[rng.choice(len(samples), n, replace=False)].mean(axis=0) + OFFSET) / half)
        nulls.append((real[order[n:]].mean(axis=0) + OFFSET) / half)
    return summarise(np.stack(values), np.stack(nulls), tuple(pool))
