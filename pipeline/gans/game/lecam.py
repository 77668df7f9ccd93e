"""LeCam regularisation: Tseng et al., "Regularizing Generative Adversarial Networks under Limited Data" (2021)."""

import torch
from torch import Tensor, nn

DECAY = 0.99


class LeCam(nn.Module):
    """Pulls each side's logits towards the moving average of the other side's (eq. 4): a discriminator that memorises drifts away from both.

    The averages are buffers; they start at the first batch's means.
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
        """Updates the averages with these logits, then E[(D(x) - a_fake)^2] + E[(D(y) - a_real)^2], a scalar."""
        with torch.no_grad():
            decay = DECAY * self.started
            self.average_real.copy_(decay * self.average_real + (1 - decay) * real_logits.mean())
            self.average_fake.copy_(decay * self.average_fake + (1 - decay) * fake_logits.mean())
            self.started.fill_(1.0)
        # Clones: the next update in place must not change what this loss's gradient reads.
        return (real_logits - self.average_fake.clone()).square().mean() + (
            fake_logits - self.average_real.clone()
        ).square().mean()
