"""How far training has come, as losses see it.

A loss that asks only `weight`, `active`, `reached` and `due` can be captured in a CUDA graph: the answers are a tensor
that is refreshed, or a choice between a few graphs. One that reads the attributes cannot.
"""

from dataclasses import dataclass

from torch import Tensor

from pipeline.settings import Ramp


@dataclass(frozen=True)
class Progress:
    """How far training has come.

    Attributes:
        step: Index of the training step, from 0.
        fraction: Fraction of the schedule that has passed, 0 to 1.
        epochs: Images seen over training items; 0 if their number is not known.
    """

    step: int
    fraction: float
    epochs: float = 0.0

    def weight(self, schedule: Ramp) -> float | Tensor:
        """Return the value of a schedule now, for calculations with tensors; it may be a scalar on their device."""
        return schedule.at(self.fraction)

    def number(self, schedule: Ramp) -> float:
        """Return the value of a schedule now, for decisions of the host such as the size of a tensor."""
        return schedule.start if schedule.constant else schedule.at(self.fraction)

    def active(self, schedule: Ramp) -> bool:
        """Return whether the value of a schedule is above zero now."""
        return schedule.at(self.fraction) > 0

    def reached(self, fraction: float) -> bool:
        """Return whether this fraction of the schedule has passed."""
        return self.fraction >= fraction

    def due(self, every: int) -> bool:
        """Return whether this is one of the steps that `every` divides."""
        return self.step % every == 0
