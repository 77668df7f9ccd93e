"""Is a challenger better or worse than a champion, beyond what another draw of samples would have changed?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from pipeline.arrays import Float64Array, FloatArray
from pipeline.errors import InputError
from pipeline.evaluation.measures.fid import Side, checked, fid
from pipeline.evaluation.measures.kid import kernel
from pipeline.evaluation.protocol import require_equal

DRAWS = 200
DRAWS_PICTURES = 2_000  # of means, which cost nothing
DRAWS_WIDE = 50  # with 2048 features a distance takes seconds
WIDE = 512
KERNEL_MOST = 2_000  # items of a set whose kernels with each other are kept in memory
LEVEL = 0.95


@dataclass(frozen=True)
class Comparison:
    """`difference` is the challenger's value less the champion's, [`low`, `high`] its bootstrap interval of 95 %, and `verdict` what that allows to
    say: less is better, as of distances to real images, unless `higher` is."""

    difference: float
    low: float
    high: float
    higher: bool = False

    @property
    def verdict(self) -> Literal["better", "worse", "equal"]:
        if self.low <= 0 <= self.high:
            return "equal"
        return "better" if (self.low > 0) == self.higher else "worse"


@dataclass(frozen=True)
class Material:
    """What the judgement of one model leaves to be compared with that of another on the same held-out images.

    `pictures`: by the name of a measure its values [n], picture by picture; higher is better. `features`: of what was made [n, d] and of real images
    [m, d], by what is put behind the names of their distances: "fid", and "kid" where `kernel` is set.
    """

    pictures: Mapping[str, FloatArray] = field(default_factory=dict)
    features: Mapping[str, tuple[FloatArray, FloatArray]] = field(default_factory=dict)
    kernel: bool = True


def compare_all(
    challenger: Material, champion: Material, protocols: tuple[str, str], seed: int
) -> dict[str, Comparison]:
    """Every measure that both have, by its name. Raises InputError as `compare`, and where there is none."""
    found = {}
    for name, values in challenger.pictures.items():
        if name in champion.pictures:
            found[name] = compare_pictures(values, champion.pictures[name], protocols, seed)
    for name, (made, real) in challenger.features.items():
        if name in champion.features:
            other = champion.features[name][0]
            found[f"fid{name}"] = compare(made, other, real, protocols, seed)
            if challenger.kernel:
                found[f"kid{name}"] = compare_kernel(made, other, real, protocols, seed)
    if not found:
        raise InputError(
            "there are too few held-out images to compare two models by: raise data.test_fraction, or give a larger test split"
        )
    return found


def compare_pictures(
    challenger: FloatArray, champion: FloatArray, protocols: tuple[str, str], seed: int, draws: int = DRAWS_PICTURES
) -> Comparison:
    """Means of what was measured picture by picture [n], of the same pictures in the same order, higher being better, by a paired bootstrap.

    Each draw takes the same pictures for both. Raises InputError as `compare`, and for fewer than 2 pictures.
    """
    require_comparable(challenger, champion, protocols)
    if len(challenger) < 2:
        raise InputError(
            "one held-out picture does not say which of two models is better: raise data.test_fraction, or give a larger test split"
        )
    gained = np.asarray(challenger, dtype=np.float64) - champion
    rng = np.random.default_rng(seed)
    return replace(
        interval(float(gained.mean()), [float(rng.choice(gained, len(gained)).mean()) for _ in range(draws)]),
        higher=True,
    )


def compare(
    challenger: FloatArray,
    champion: FloatArray,
    real: FloatArray,
    protocols: tuple[str, str],
    seed: int,
    draws: int | None = None,
) -> Comparison:
    """Fréchet distances by a paired bootstrap (Efron & Tibshirani 1993, chapter 8) over features [n, d] of both generators' samples and of the real images.

    Each draw takes the same real images for both, so that what is hard about them cancels; resampling raises both distances alike.
    Raises InputError for protocols that differ, naming each difference, or for sets of unequal size: distances fall with the size.
    """
    require_comparable(challenger, champion, protocols)
    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(draws or (DRAWS if real.shape[1] <= WIDE else DRAWS_WIDE)):
        against = Side(real[rng.integers(0, len(real), len(real))])
        first, second = (x[rng.integers(0, len(x), len(x))] for x in (challenger, champion))
        differences.append(fid(first, against) - fid(second, against))
    return interval(fid(challenger, real) - fid(champion, real), differences)


def compare_kernel(
    challenger: FloatArray,
    champion: FloatArray,
    real: FloatArray,
    protocols: tuple[str, str],
    seed: int,
    draws: int = DRAWS,
) -> Comparison:
    """The same of kernel distances (the unbiased MMD^2 of `kid`), over at most 2,000 items of each set.

    What real images have among themselves is the same for both and cancels, so a draw is two quadratic forms of how often each item was drawn.
    Raises InputError as `compare`.
    """
    require_comparable(challenger, champion, protocols)
    rng = np.random.default_rng(seed)
    first, second, against = (
        checked(x)[np.sort(rng.permutation(len(x))[:KERNEL_MOST])] for x in (challenger, champion, real)
    )
    sets = (first, second, against)
    drawn = [rng.multinomial(len(x), np.full(len(x), 1 / len(x)), size=draws).astype(np.float64) for x in sets]
    once = [np.ones((1, len(x))) for x in sets]
    return interval(float(differences(sets, once)[0]), differences(sets, drawn))


def differences(sets: tuple[Float64Array, Float64Array, Float64Array], counts: Sequence[Float64Array]) -> Float64Array:
    """Kernel distance of the first set [n, d] to the third [m, d] less that of the second, for each row of how often their items were drawn, [draws, n]."""
    found = []
    for items, drawn in zip(sets[:2], counts[:2], strict=True):
        own, across = kernel(items, items), kernel(items, sets[2])
        n, m = len(items), len(sets[2])
        among = ((drawn @ own) * drawn).sum(axis=1) - drawn @ np.diag(own)
        found.append(among / (n * (n - 1)) - 2 * ((drawn @ across) * counts[2]).sum(axis=1) / (n * m))
    return np.asarray(found[0] - found[1], dtype=np.float64)


def require_comparable(challenger: FloatArray, champion: FloatArray, protocols: tuple[str, str]) -> None:
    require_equal(*protocols)
    if len(challenger) != len(champion):
        raise InputError(
            f"{len(challenger):,} samples of the challenger and {len(champion):,} of the champion cannot be compared: draw as many of both"
        )


def interval(difference: float, draws: list[float] | Float64Array) -> Comparison:
    low, high = np.quantile(np.asarray(draws), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Comparison(difference, float(low), float(high))
