"""One training of a search: it reports its health checks, may be ended at each of them, and leaves no model."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from pipeline import params as parameters
from pipeline.errors import InputError, TrainingFailed
from pipeline.stages.train import TrainerBuilder, explain_out_of_memory, fingerprint, load_checkpoint
from pipeline.stages.training_inputs import Inputs
from pipeline.stages.training_reporter import Silent
from pipeline.training import unattended
from pipeline.training.loop import Stopped, Trainer
from pipeline.training.protocols import Row

CURVE = "curve"
"""Key of the trainer's notes: the reported values so far. They travel with the checkpoints."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        value: The lowest distance at a health check without a critical symptom; infinite if there is none.
        history: Rows of the curves.
        reason: Why the training ended early or failed; empty if it ran to its end.
    """

    value: float
    history: list[Row]
    reason: str = ""


class CheckWatch:
    """Called after each step: reports new health checks, and tells the training to end.

    Args:
        interrupted: Whether a signal arrived.
        report: Takes the number of a check, from 1, and the lowest distance so far; returns why the training is to end
            now, or nothing.
    """

    def __init__(self, interrupted: Callable[[], bool], report: Callable[[int, float], str]) -> None:
        self.interrupted, self.report = interrupted, report
        self.trainer: Trainer | None = None
        self.reported, self.reason = 0, ""

    def __call__(self) -> bool:
        """Return whether the training is to end."""
        return self.interrupted() or self.observe()

    def observe(self) -> bool:
        """Report what was not reported yet, after a resumption from the beginning; return whether to end."""
        trainer = self.trainer
        if trainer is None or len(trainer.health.symptom_names) == self.reported or self.reason:
            return bool(self.reason)
        curve: list[float] = json.loads(trainer.meta.get(CURVE, "[]"))
        curve += [trainer.health.lowest] * (len(trainer.health.symptom_names) - len(curve))
        trainer.meta[CURVE] = json.dumps(curve)
        for value in curve[self.reported :]:
            self.reported += 1
            self.reason = self.report(self.reported, value)
            if self.reason:
                return True
        return False


def for_trial(inputs: Inputs, values: Mapping[str, Any], checks: int, *, response: str | None = None) -> Inputs:
    """Return the inputs with other parameters, and with `checks` health checks at equal intervals.

    Args:
        inputs: Data and device.
        values: The parameters.
        checks: Number of health checks.
        response: Response to symptoms; None for that of the parameters.

    Raises:
        InputError: The parameters do not fit together.
    """
    train = values["train"]
    health = train["health"] | {"images": max(1, train["total_images"] // checks)}
    if response is not None:
        health["response"] = response
    params = parameters.parse_values({**values, "train": {**train, "health": health}}, "trial")
    return replace(inputs, params=params)


def train(inputs: Inputs, watch: CheckWatch) -> Outcome:
    """Train, or resume a training that was interrupted; the checkpoints are removed when it ends.

    Raises:
        KeyboardInterrupt: A signal arrived; a checkpoint was saved.
    """
    folder = inputs.paths.tune_checkpoints / fingerprint(inputs)
    builder = TrainerBuilder(inputs, folder, Silent(), "", watch)
    trainer = None
    try:
        trainer = watch.trainer = unattended.start_or_resume(builder, load_checkpoint(folder))
        trainer = unattended.run(trainer, builder)
        watch.observe()
        outcome = Outcome(trainer.health.lowest, trainer.history)
    except Stopped:
        if not watch.reason:
            raise KeyboardInterrupt from None
        assert trainer is not None
        outcome = Outcome(trainer.health.lowest, trainer.history, watch.reason)
    except torch.OutOfMemoryError as error:
        reason = explain_out_of_memory(inputs.params, trainer, error) if trainer else str(error).splitlines()[0]
        outcome = Outcome(float("inf"), [], reason)
    except (TrainingFailed, InputError) as error:
        reason = str(error).splitlines()[0].partition(". What may help")[0]
        outcome = Outcome(float("inf"), trainer.history if trainer else [], reason)
    shutil.rmtree(folder, ignore_errors=True)
    return outcome
