"""What is known of a phase whose backward pass may be replayed: its batch memory, its logs and its recordings."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from pipeline.gans.base import Batch, Progress
from pipeline.training.cuda_graphs import Replay
from pipeline.training.operation_log import OperationLog
from pipeline.training.watched_progress import Answers, still_hold

Terms = list[dict[str, Tensor]]
"""Loss terms for each micro-batch."""

Validity = tuple[Answers, int]
"""Answers that the losses got from Progress, and the size of a micro-batch: what a recording is valid for."""


@dataclass
class Recording:
    """A recorded backward pass.

    Attributes:
        valid_for: Answers of Progress that the losses got while it was recorded, and the size of a micro-batch.
        replay: Computes gradients and terms from the batch in the phase's own memory.
        gradients: Parameters and the gradients that a replay writes.
        terms: Loss terms that a replay writes.
        verified: A replay was compared with an ordinary run.
    """

    valid_for: Validity
    replay: Replay
    gradients: list[tuple[Tensor, Tensor | None]]
    terms: Terms
    verified: bool = False

    def run(self) -> Terms:
        """Replay; the parameters get the gradients."""
        self.replay()
        for parameter, gradient in self.gradients:
            parameter.grad = gradient
        return self.terms


@dataclass
class PhaseState:
    """What is known of a phase.

    Attributes:
        name: Its name.
        reason: Why it is not recorded; None if it is or may be.
        batch: The memory that recordings read the batch from.
        logs: Logs of ordinary runs, by what their recording would be valid for.
        recordings: One for each set of answers that Progress has given.
    """

    name: str
    reason: str | None = None
    batch: dict[str, Tensor] = field(default_factory=dict)
    logs: dict[Validity, list[OperationLog]] = field(default_factory=dict)
    recordings: list[Recording] = field(default_factory=list)

    @property
    def decided(self) -> bool:
        """Whether it is known if the phase can be recorded."""
        return self.reason is not None or any(recording.verified for recording in self.recordings)

    def hold(self, batch: Batch) -> bool:
        """Copy a batch into the recordings' memory; return whether it fits."""
        if not self.batch:
            self.batch = {name: torch.empty_like(values) for name, values in batch.items()}
        fits = batch.keys() == self.batch.keys() and all(
            values.shape == self.batch[name].shape and values.dtype == self.batch[name].dtype
            for name, values in batch.items()
        )
        for name, values in batch.items() if fits else ():
            self.batch[name].copy_(values)
        return fits

    def find(self, progress: Progress, micro_batch: int) -> Recording | None:
        """Return the recording that is valid now; None if there is none."""
        for recording in self.recordings:
            answers, size = recording.valid_for
            if size == micro_batch and still_hold(answers, progress):
                return recording
        return None
