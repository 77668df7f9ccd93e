"""The progress of a training for losses whose operations are recorded."""

from typing import Any

import torch
from torch import Tensor

from pipeline.gans.base import Progress
from pipeline.settings import Ramp

ATTRIBUTES = ("step", "fraction", "epochs")

Answer = tuple[str, float | Ramp, bool]
"""What the host decided: the method of Progress, its argument, and the answer."""

Answers = frozenset[Answer]


class ScheduledTensors(dict[Ramp, Tensor]):
    """The values of schedules as scalars on a device, which keep their memory."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def refresh(self, progress: Progress) -> None:
        """Set all values to those of now."""
        for schedule, value in self.items():
            value.fill_(schedule.at(progress.fraction))


class WatchedProgress(Progress):
    """Progress that notes what a loss reads, and returns values that change as tensors.

    Attributes:
        reads: Attributes that were read; a recording would repeat what they were.
        answers: What was asked and answered; a recording is valid as long as the answers are the same.
    """

    actual: Progress
    tensors: ScheduledTensors
    reads: set[str]
    answers: set[Answer]

    def __init__(self, actual: Progress, tensors: ScheduledTensors) -> None:
        super().__init__(actual.step, actual.fraction, actual.epochs)
        self.__dict__.update(actual=actual, tensors=tensors, reads=set(), answers=set())

    def __getattribute__(self, name: str) -> Any:
        """Return an attribute; note it if it is one of Progress."""
        if name in ATTRIBUTES:
            object.__getattribute__(self, "reads").add(name)
        return super().__getattribute__(name)

    def weight(self, schedule: Ramp) -> float | Tensor:
        """Return the value of a schedule: a scalar of the device if it changes."""
        if schedule.constant:
            return schedule.start
        if schedule not in self.tensors:
            self.tensors[schedule] = torch.full((), schedule.at(self.actual.fraction), device=self.tensors.device)
        return self.tensors[schedule]

    def active(self, schedule: Ramp) -> bool:
        """Return and note whether the value of a schedule is above zero now."""
        return schedule.start > 0 if schedule.constant else self.answer("active", schedule)

    def reached(self, fraction: float) -> bool:
        """Return and note whether this fraction of the schedule has passed."""
        return self.answer("reached", fraction)

    def due(self, every: int) -> bool:
        """Return and note whether this is one of the steps that `every` divides."""
        return self.answer("due", every)

    def answer(self, question: str, argument: float | Ramp) -> bool:
        """Return and note what Progress answers."""
        answer: bool = getattr(self.actual, question)(argument)
        self.answers.add((question, argument, answer))
        return answer


def still_hold(answers: Answers, progress: Progress) -> bool:
    """Return whether the answers are the same now."""
    return all(getattr(progress, question)(argument) == answer for question, argument, answer in answers)
