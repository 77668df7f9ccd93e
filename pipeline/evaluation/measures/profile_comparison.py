"""Compare the mean profiles of samples and of real items; the medium defines the profiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float64Array, Int64Array
from pipeline.evaluation.cache import remember
from pipeline.evaluation.extractors.base import Images
from pipeline.evaluation.measures.calibration import DRAWS, comparison_size, draw_orders, summarise
from pipeline.measure import Measurement
from pipeline.media.profiles import Profile

VALUES = 2**20
"""Values of items that are in memory at a time."""


@dataclass(frozen=True)
class ProfileComparison:
    """The number that compares two mean profiles, and the mean profiles of all samples and of all real items, [k]."""

    measurement: Measurement
    fake: Float64Array
    real: Float64Array

    @property
    def excess(self) -> float:
        """Value minus null."""
        return (self.measurement.number or 0.0) - (self.measurement.null or 0.0)


@dataclass(frozen=True)
class RealItems:
    """Real items that samples are compared with.

    Attributes:
        items: The items.
        weights: How much each item counts, [n]; None for alike, which can be cached.
        cache: Folder that keeps their mean profiles; None keeps nothing.
        key: Identifies the items in the cache.
        code: Object whose code decides the profiles: the medium.
    """

    items: Images
    weights: Float64Array | None = None
    cache: Path | None = None
    key: str = ""
    code: object = None


def compare_profiles(
    profiles: Sequence[Profile], fake: Images, real: RealItems, seed: int
) -> dict[str, ProfileComparison]:
    """Compare samples with halves of the real items, and these halves with each other as the null.

    Args:
        profiles: Profiles of the medium.
        fake: Samples.
        real: Real items.
        seed: Seed of the draws.

    Returns:
        Comparisons by name; empty without profiles or with too few items.
    """
    n = comparison_size(len(fake), len(real.items))
    if n == 0 or not profiles:
        return {}
    orders, rng = draw_orders(len(real.items), n, seed), np.random.default_rng([seed, 3])
    samples = mean_profiles(profiles, fake, average([rng.choice(len(fake), n, replace=False) for _ in orders], fake))
    halves = mean_profiles_of_real(profiles, real, [part for order in orders for part in (order[:n], order[n:])], seed)
    found = {}
    for profile in profiles:
        drawn, real_means = samples[profile.name], halves[profile.name]
        first, second = real_means[:-1:2], real_means[1:-1:2]
        values = [[profile.compare(a, b)] for a, b in zip(drawn[:-1], first, strict=True)]
        nulls = [[profile.compare(a, b)] for a, b in zip(second, first, strict=True)]
        measurement = summarise(np.array(values), np.array(nulls), (profile.name,))[profile.name]
        if not measurement.spread:  # real items never differ in this
            measurement = Measurement(measurement.value, measurement.null)
        found[profile.name] = ProfileComparison(measurement, drawn[-1], real_means[-1])
    return found


def mean_profiles_of_real(
    profiles: Sequence[Profile], real: RealItems, parts: Sequence[Int64Array], seed: int
) -> dict[str, Float64Array]:
    """Return the mean profiles of parts of the real items and, in the last row, of all of them."""
    weights = average(parts, real.items, real.weights)

    def compute() -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(x) for name, x in mean_profiles(profiles, real.items, weights).items()}

    if real.weights is not None:
        return mean_profiles(profiles, real.items, weights)
    first = real.items.images(np.arange(1))
    shapes = {one.name: (len(weights), one.values(first).shape[1]) for one in profiles}
    key = f"{real.key} {len(parts[0])} {seed} {DRAWS}"
    tensors = remember(real.cache, "profiles", key, shapes, compute, code=(real.code,))
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def mean_profiles(profiles: Sequence[Profile], items: Images, weights: Float64Array) -> dict[str, Float64Array]:
    """Return weighted sums of the profiles of a set of items, one part of which is in memory at a time.

    Args:
        profiles: What is computed of each item.
        items: The set.
        weights: Weights of the items in each sum, [sums, n].

    Returns:
        Sums by name, each [sums, k].
    """
    sums: dict[str, Float64Array] = {}
    batch = max(1, VALUES // items.images(np.arange(1)).size)
    for start in range(0, len(items), batch):
        part = np.arange(start, min(start + batch, len(items)))
        values, share = items.images(part), weights[:, part].astype(np.float32)
        for profile in profiles:
            total = (share @ profile.values(values)).astype(np.float64)
            sums[profile.name] = sums[profile.name] + total if profile.name in sums else total
    return sums


def average(parts: Sequence[Int64Array], items: Images, weights: Float64Array | None = None) -> Float64Array:
    """Return weights that average each of these parts of a set and, in the last row, all of it, [parts + 1, n]."""
    each = np.ones(len(items)) if weights is None else weights
    rows = np.zeros((len(parts) + 1, len(items)))
    for row, part in zip(rows[:-1], parts, strict=True):
        row[part] = each[part] / max(each[part].sum(), 1e-12)
    rows[-1] = each / max(each.sum(), 1e-12)
    return rows
