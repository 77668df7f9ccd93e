"""Is a challenger better or worse than a champion, beyond what another draw of samples would have changed?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.errors import InputError
from pipeline.evaluation.fid import FloatArray, Side, fid
from pipeline.evaluation.protocol import require_equal

DRAWS = 200
LEVEL = 0.95


@dataclass(frozen=True)
class Comparison:
    """`difference` is the challenger's Fréchet distance less the champion's (below 0: nearer to the real images), [`low`, `high`] its
    bootstrap interval of 95 %, and `verdict` what that allows to say."""

    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> Literal["better", "worse", "equal"]:
        return "better" if self.high < 0 else "worse" if self.low > 0 else "equal"


def compare(challenger: FloatArray, champion: FloatArray, real: FloatArray, protocols: tuple[str, str], seed: int, draws: int = DRAWS) -> Comparison:
    """A paired bootstrap (Efron & Tibshirani 1993, chapter 8) over features [n, d] of both generators' samples and of the real images.

    Each draw takes the same real images for both, so that what is hard about them cancels; resampling raises both distances alike.
    Raises InputError for protocols that differ, naming each difference, or for sets of unequal size: distances fall with the size.
    """
    require_equal(*protocols)
    if len(challenger) != len(champion):
        raise InputError(f"{len(challenger):,} samples of the challenger and {len(champion):,} of the champion cannot be compared: draw as many of both")
    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(draws):
        against = Side(real[rng.integers(0, len(real), len(real))])
        first, second = (x[rng.integers(0, len(x), len(x))] for x in (challenger, champion))
        differences.append(fid(first, against) - fid(second, against))
    low, high = np.quantile(differences, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Comparison(fid(challenger, real) - fid(champion, real), float(low), float(high))
