"""The adversarial game of pieces of music, after a training by likelihood.

A discriminator of sequences of symbols teaches slowly: gradients pass through choices only approximately. SeqGAN (Yu et
al. 2017, section 3) and RelGAN (Nie et al. 2019, section 3) therefore train the generator by likelihood first. Here the
likelihood can also stay in the generator's loss during the game, which keeps what was learned.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.gans.base import Batch, Loss, Phase, Progress
from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.variants.musegan.settings import PieceSettings


class PieceGame(Adversarial):
    """A generator of pieces and a discriminator.

    Args:
        settings: The game, and when it starts.
        generator: With `nll(maps, z, condition)`, the negative log-likelihood of pieces, if the settings ask for it.
    """

    generator: Any

    def __init__(
        self, settings: PieceSettings, generator: nn.Module, discriminator: nn.Module, classes: int | None = None
    ) -> None:
        super().__init__(settings, generator, discriminator, classes)
        self.game_start, self.likelihood = settings.pretraining, settings.likelihood

    def phases(self) -> list[Phase]:
        """Return the updates of one step; those of the discriminator start after pretraining."""
        return [
            replace(phase, start=self.game_start) if phase.role == "discriminator" else phase
            for phase in super().phases()
        ]

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the negative log-likelihood in pretraining, then the objective plus a share of it."""
        if not progress.reached(self.game_start):
            nll = self.nll(batch, rng)
            return Loss(nll, {"loss_generator": nll, "loss_likelihood": nll})
        adversarial = super().generator_loss(batch, progress, rng)
        if not progress.active(self.likelihood):
            return adversarial
        nll = self.nll(batch, rng)
        total = adversarial.total + progress.weight(self.likelihood) * nll
        terms = {"loss_generator": total, "loss_adversarial": adversarial.total, "loss_likelihood": nll}
        return Loss(total, terms)

    def nll(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Return the negative log-likelihood of the real pieces of a batch under new latents, in nats a note."""
        pieces = batch["item"]
        nll: Tensor = self.generator.nll(pieces, self.sample_latents(len(pieces), rng), self.labels_of(batch))
        return nll
