"""Is a challenger better or worse than a champion, beyond what another draw of samples would have changed?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.errors import InputError
from pipeline.evaluation.fid import Float64Array, FloatArray, Side, checked, fid
from pipeline.evaluation.kid import kernel
from pipeline.evaluation.protocol import require_equal

DRAWS = 200
DRAWS_WIDE = 50  # with 2048 features a distance takes seconds
WIDE = 512
KERNEL_MOST = 2_000  # items of a set whose kernels with each other are kept in memory
LEVEL = 0.95


@dataclass(frozen=True)
class Comparison:
    """`difference` is the challenger's distance less the champion's (below 0: nearer to the real images), [`low`, `high`] its
    bootstrap interval of 95 %, and `verdict` what that allows to say."""

    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> Literal["better", "worse", "equal"]:
        return "better" if self.high < 0 else "worse" if self.low > 0 else "equal"


def compare(challenger: FloatArray, champion: FloatArray, real: FloatArray, protocols: tuple[str, str], seed: int, draws: int | None = None) -> Comparison:
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


def compare_kernel(challenger: FloatArray, champion: FloatArray, real: FloatArray, protocols: tuple[str, str], seed: int, draws: int = DRAWS) -> Comparison:
    """The same of kernel distances (the unbiased MMD^2 of `kid`), over at most 2,000 items of each set.

    What real images have among themselves is the same for both and cancels, so a draw is two quadratic forms of how often each item was drawn.
    Raises InputError as `compare`.
    """
    require_comparable(challenger, champion, protocols)
    rng = np.random.default_rng(seed)
    first, second, against = (checked(x)[np.sort(rng.permutation(len(x))[:KERNEL_MOST])] for x in (challenger, champion, real))
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
        raise InputError(f"{len(challenger):,} samples of the challenger and {len(champion):,} of the champion cannot be compared: draw as many of both")


def interval(difference: float, draws: list[float] | Float64Array) -> Comparison:
    low, high = np.quantile(np.asarray(draws), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Comparison(difference, float(low), float(high))
