"""Statistics of single items, as the medium defines them: their means relative to real items, next to a null."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.arrays import Float64Array
from pipeline.evaluation.extractors.base import Images
from pipeline.evaluation.measures.calibration import orders, size, summarise
from pipeline.items import ItemSpec
from pipeline.measure import Measurement
from pipeline.media.registry import find_medium

BATCH = 1024
OFFSET = 1e-6
"""Added to every mean, so that a ratio of zeros is 1."""

Statistics = Mapping[str, Float64Array]


def statistics(item: ItemSpec, items: Images) -> Statistics:
    """Return the statistics of a set of items, each [n]; empty for an empty set."""
    medium = find_medium(item.medium)
    starts = range(0, len(items), BATCH)
    return concatenate(
        [medium.statistics(items.images(np.arange(start, min(start + BATCH, len(items)))), item) for start in starts]
    )


def concatenate(parts: Sequence[Statistics]) -> Statistics:
    """Return the statistics of several sets as those of one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else {})}


def means(fake: Statistics, pool: Statistics, seed: int) -> dict[str, Measurement]:
    """Return each mean over samples relative to that over real items, at one size; 1 is equal.

    Empty if there are no statistics, or too few items.
    """
    if not pool:
        return {}
    samples, real = (np.stack(list(values.values()), axis=1) for values in (fake, pool))
    n = size(len(samples), len(real))
    if n == 0:
        return {}
    rng = np.random.default_rng([seed, 2])
    values, nulls = [], []
    for order in orders(len(real), n, seed):
        half = real[order[:n]].mean(axis=0) + OFFSET
        values.append((samples[rng.choice(len(samples), n, replace=False)].mean(axis=0) + OFFSET) / half)
        nulls.append((real[order[n:]].mean(axis=0) + OFFSET) / half)
    return summarise(np.stack(values), np.stack(nulls), tuple(pool))
