"""LeCam regularisation: Tseng et al., "Regularizing Generative Adversarial Networks under Limited Data" (2021)."""

import torch
from torch import Tensor, nn

from pipeline.shared_batch import whole

DECAY = 0.99
"""Of the moving averages of the logits."""


class LeCam(nn.Module):
    """Pulls real logits to the moving average of fake logits, and the reverse (eq. 4).

    A discriminator that memorises its data drifts away from both averages. The averages are buffers and start at the
    means of the first batch.
    """

    average_real: Tensor
    average_fake: Tensor
    started: Tensor

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight
        for name in ("average_real", "average_fake", "started"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Update the averages; return E[(D(x) - a_fake)^2] + E[(D(G(z)) - a_real)^2], without the weight."""
        with torch.no_grad():
            real, fake = whole(real_logits).mean(), whole(fake_logits).mean()
            decay = DECAY * self.started
            self.average_real.copy_(decay * self.average_real + (1 - decay) * real)
            self.average_fake.copy_(decay * self.average_fake + (1 - decay) * fake)
            self.started.fill_(1.0)
        # Clones, because the next in-place update would change what this loss's gradient reads.
        return (real_logits - self.average_fake.clone()).square().mean() + (
            fake_logits - self.average_real.clone()
        ).square().mean()
