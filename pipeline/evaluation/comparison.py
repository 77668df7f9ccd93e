"""Compare a challenger with the champion: bootstrap intervals of the difference of each measure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from pipeline.arrays import Float64Array, FloatArray
from pipeline.errors import InputError
from pipeline.evaluation.measures.fid import Side, as_float64, fid
from pipeline.evaluation.measures.kid import kernel
from pipeline.evaluation.protocol import require_equal

DRAWS = 200
DRAWS_OF_SCORES = 2_000  # a draw is one mean, which is cheap
DRAWS_WIDE = 50  # with 2048 features a Fréchet distance takes seconds
WIDE = 512
KERNEL_MOST = 2_000  # items per set whose kernel matrices are kept in memory
LEVEL = 0.95


@dataclass(frozen=True)
class Comparison:
    """The difference between challenger and champion in one measure.

    Attributes:
        difference: Value of the challenger minus value of the champion.
        low: Lower end of the 95 % bootstrap interval of the difference.
        high: Upper end of the interval.
        higher_is_better: Whether higher values are better; False for distances.
    """

    difference: float
    low: float
    high: float
    higher_is_better: bool = False

    @classmethod
    def from_draws(
        cls, difference: float, draws: list[float] | Float64Array, *, higher_is_better: bool = False
    ) -> "Comparison":
        """Build the percentile interval from the bootstrap's differences."""
        low, high = np.quantile(np.asarray(draws), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return cls(difference, float(low), float(high), higher_is_better)

    @property
    def verdict(self) -> Literal["better", "worse", "equal"]:
        """Whether the challenger is better or worse; "equal" if the interval contains 0."""
        if self.low <= 0 <= self.high:
            return "equal"
        return "better" if (self.low > 0) == self.higher_is_better else "worse"


@dataclass(frozen=True)
class Material:
    """The values and features of one model that a comparison with another model reads.

    Attributes:
        item_scores: Values [n] of a measure, one per held-out item, by the name of the measure. Higher is better.
        features: Features of generated [n, d] and real items [m, d], by the suffix of the names of their distances.
        kernel: Whether the kernel distance is compared next to the Fréchet distance.
    """

    item_scores: Mapping[str, FloatArray] = field(default_factory=dict)
    features: Mapping[str, tuple[FloatArray, FloatArray]] = field(default_factory=dict)
    kernel: bool = True


def compare_all(
    challenger: Material, champion: Material, protocols: tuple[str, str], seed: int
) -> dict[str, Comparison]:
    """Compare two models in every measure that both have; return the comparisons by name.

    Raises:
        InputError: They share no measure, or their protocols or sample counts differ.
    """
    comparisons = {}
    for name, scores in challenger.item_scores.items():
        if name in champion.item_scores:
            comparisons[name] = compare_item_scores(scores, champion.item_scores[name], protocols, seed)
    for name, (generated, real) in challenger.features.items():
        if name in champion.features:
            other = champion.features[name][0]
            comparisons[f"fid{name}"] = compare_frechet(generated, other, real, protocols, seed)
            if challenger.kernel:
                comparisons[f"kid{name}"] = compare_kernel(generated, other, real, protocols, seed)
    if not comparisons:
        raise InputError(
            "too few held-out images to compare two models: raise data.test_fraction or provide a larger test split"
        )
    return comparisons


def compare_item_scores(
    challenger: FloatArray,
    champion: FloatArray,
    protocols: tuple[str, str],
    seed: int,
    draws: int = DRAWS_OF_SCORES,
) -> Comparison:
    """Compare the means of two sets of scores [n] of the same items in the same order. Higher is better.

    The bootstrap is paired: each draw takes the same items for both models.

    Raises:
        InputError: There are fewer than 2 items, or the protocols or numbers of items differ.
    """
    require_comparable(challenger, champion, protocols)
    if len(challenger) < 2:
        raise InputError(
            "one held-out image is not enough to compare two models: "
            "raise data.test_fraction or provide a larger test split"
        )
    gains = np.asarray(challenger, dtype=np.float64) - champion
    rng = np.random.default_rng(seed)
    means = [float(rng.choice(gains, len(gains)).mean()) for _ in range(draws)]
    return Comparison.from_draws(float(gains.mean()), means, higher_is_better=True)


def compare_frechet(
    challenger: FloatArray,
    champion: FloatArray,
    real: FloatArray,
    protocols: tuple[str, str],
    seed: int,
    *,
    draws: int | None = None,
) -> Comparison:
    """Compare the Fréchet distances of two models to the same real items.

    The bootstrap is paired (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 8). Each draw
    takes the same real items for both models, so their difficulty cancels. Resampling raises both distances alike.

    Args:
        challenger: Features of its samples, [n, d].
        champion: Features of its samples, [n, d].
        real: Features of real items, [m, d].
        protocols: Protocol strings of challenger and champion.
        seed: Seed of the bootstrap.
        draws: Bootstrap draws; None for 200, or 50 with more than 512 features.

    Raises:
        InputError: The protocols differ, or the sample counts do: the distance depends on the count.
    """
    require_comparable(challenger, champion, protocols)
    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(draws or (DRAWS if real.shape[1] <= WIDE else DRAWS_WIDE)):
        against = Side(real[rng.integers(0, len(real), len(real))])
        first, second = (x[rng.integers(0, len(x), len(x))] for x in (challenger, champion))
        differences.append(fid(first, against) - fid(second, against))
    return Comparison.from_draws(fid(challenger, real) - fid(champion, real), differences)


def compare_kernel(
    challenger: FloatArray,
    champion: FloatArray,
    real: FloatArray,
    protocols: tuple[str, str],
    seed: int,
    *,
    draws: int = DRAWS,
) -> Comparison:
    """Compare the kernel distances (the unbiased MMD^2 of `kid`) of two models to the same real items.

    At most 2,000 items of each set are used. Arguments and errors are those of `compare_frechet`.
    """
    require_comparable(challenger, champion, protocols)
    rng = np.random.default_rng(seed)
    first, second, against = (
        as_float64(x)[np.sort(rng.permutation(len(x))[:KERNEL_MOST])] for x in (challenger, champion, real)
    )
    sets = (first, second, against)
    counts = [rng.multinomial(len(x), np.full(len(x), 1 / len(x)), size=draws).astype(np.float64) for x in sets]
    once = [np.ones((1, len(x))) for x in sets]
    return Comparison.from_draws(float(kernel_differences(sets, once)[0]), kernel_differences(sets, counts))


def kernel_differences(
    sets: tuple[Float64Array, Float64Array, Float64Array], counts: Sequence[Float64Array]
) -> Float64Array:
    """Return MMD^2(first, third) - MMD^2(second, third) for each bootstrap draw, [draws].

    The term of the third set (the real items) with itself is the same in both distances and cancels. A draw then
    needs only two quadratic forms in its counts.

    Args:
        sets: Features [n, d] of challenger, champion and real items.
        counts: How often each draw takes each item of these sets, [draws, n].
    """
    distances = []
    for items, count in zip(sets[:2], counts[:2], strict=True):
        within, across = kernel(items, items), kernel(items, sets[2])
        n, m = len(items), len(sets[2])
        pairs = ((count @ within) * count).sum(axis=1) - count @ np.diag(within)
        distances.append(pairs / (n * (n - 1)) - 2 * ((count @ across) * counts[2]).sum(axis=1) / (n * m))
    return np.asarray(distances[0] - distances[1], dtype=np.float64)


def require_comparable(challenger: FloatArray, champion: FloatArray, protocols: tuple[str, str]) -> None:
    """Raise InputError if the protocols or the numbers of samples of two models differ."""
    require_equal(*protocols)
    if len(challenger) != len(champion):
        raise InputError(
            f"challenger has {len(challenger):,} samples and champion {len(champion):,}: "
            "generate the same number for both"
        )
