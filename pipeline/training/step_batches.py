"""The batches of one training step: a fresh one for each phase, or the last one again."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.gans.base import Batch, Phase
from pipeline.training.protocols import Batches


class StepBatches:
    """Draws batches for phases.

    Args:
        batches: Source of fresh batches.
        phases: The phases of a step.
        rng: Random generator of the training.
    """

    def __init__(self, batches: Batches, phases: Sequence[Phase], rng: torch.Generator) -> None:
        self.batches, self.rng = batches, rng
        self.remembers = any(phase.same_batch for phase in phases)
        self.last: tuple[Batch, Tensor] | None = None

    def draw(self, phase: Phase, size: int) -> Batch:
        """Return a batch; for a phase with `same_batch` also set the random numbers back to those of the last one."""
        if phase.same_batch:
            assert self.last is not None, f"phase {phase.name} shares a batch, and no phase before it draws one"
            batch, state = self.last
            self.rng.set_state(state)
            return batch
        batch = self.batches.next(size)
        if self.remembers:
            self.last = batch, self.rng.get_state()
        return batch
