"""The comparison of the best trial with the start on new seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any


@dataclass(frozen=True)
class Confirmation:
    """Distances of the start and of the best trial. The distance in the search is optimistic, and does not count here.

    Attributes:
        trial: Number of the best trial.
        values: Its values by key.
        start, tuned: Distances on the same new seeds; infinite if a training failed.
        seconds: Mean duration of a training with the tuned values.
    """

    trial: int
    values: Mapping[str, Any]
    start: Sequence[float]
    tuned: Sequence[float]
    seconds: float

    @property
    def better(self) -> bool:
        """Whether the mean distance of the best trial is lower than that of the start."""
        return fmean(self.tuned) < fmean(self.start)

    @property
    def wins(self) -> int:
        """Number of seeds on which the best trial is better."""
        return sum(tuned < start for start, tuned in zip(self.start, self.tuned, strict=True))

    def describe(self) -> str:
        """Return the outcome in words."""
        return (
            f"distance {in_words(self.tuned)} against {in_words(self.start)} of the start on {len(self.start)} new "
            f"seeds, better on {self.wins} of {len(self.start)} (trial {self.trial})"
        )

    def metrics(self) -> dict[str, Any]:
        """Return the numbers for metrics/tune.json; those that are not finite are left out."""
        distances = {"distance_start": fmean(self.start), "distance_tuned": fmean(self.tuned)}
        finite = {name: value for name, value in distances.items() if value < float("inf")}
        return finite | {"best_trial": self.trial, "seeds_better": self.wins, "better": self.better}


def in_words(distances: Sequence[float]) -> str:
    """Return the mean of distances, or how many trainings failed."""
    failed = sum(math.isinf(value) for value in distances)
    return f"none ({failed} of {len(distances)} trainings failed)" if failed else f"{fmean(distances):.4g}"
