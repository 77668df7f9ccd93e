"""What real and generated images go through alike before the discriminator judges them, and how often.

Every transformation is differentiable twice, so that gradients reach the generator and penalties can be taken through it.
"""

import torch
from torch import Tensor, nn

from pipeline.gans.augment.ada import ada
from pipeline.gans.augment.diffaugment import diffaugment
from pipeline.gans.game.settings import AugmentSettings
from pipeline.gans.networks.layers import full_precision

POLICIES = {"diffaugment": diffaugment, "ada": ada}
INTERVAL = 4
"""Updates of the discriminator between two adaptations (Karras 2020, section 3.3)."""


class Augment(nn.Module):
    """Applies a policy with a probability that is set, scheduled, or adapted to how well the discriminator tells real images.

    Adapted (Karras 2020, "Training GANs with Limited Data", section 3.3): where E[sign D(real)] lies above the target the
    discriminator overfits, and the probability rises. The probability and the running mean are buffers.
    """

    probability: Tensor
    sign: Tensor
    seen: Tensor
    updates: Tensor

    def __init__(self, settings: AugmentSettings) -> None:
        super().__init__()
        self.settings = settings
        adapted = settings.target is not None
        self.register_buffer("probability", torch.tensor(settings.probability.start if adapted else 0.0))
        for name in ("sign", "seen", "updates"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, images: Tensor, done: float, rng: torch.Generator) -> Tensor:
        """Images [B, C, H, W] in [-1, 1], each transformed on its own; `done` is the share of the schedule that has passed."""
        policy = POLICIES.get(self.settings.policy)
        if policy is None:
            return images
        adapted = self.settings.target is not None
        probability = (
            self.probability if adapted else torch.tensor(self.settings.probability.at(done), device=images.device)
        )
        # Sixteen bits are too few to say where a pixel is read.
        with full_precision(images):
            return policy(images.float(), probability, rng)

    @torch.no_grad()
    def adapt(self, real_logits: Tensor) -> dict[str, Tensor]:
        """Takes note of an update's logits of real images; every few updates moves the probability. Returns what to record."""
        target = self.settings.target
        if target is None:
            return {}
        self.sign += real_logits.sign().sum()
        self.seen += len(real_logits)
        self.updates += 1
        # Written without a branch on values that live on the device: nothing waits for them.
        due = (self.updates % INTERVAL == 0).float()
        move = (self.sign / self.seen - target).sign() * self.seen / self.settings.adapt_images
        self.probability.add_(due * move).clamp_(0, 1)
        terms = {"ada_probability": self.probability.clone(), "ada_sign": self.sign / self.seen}
        for total in (self.sign, self.seen):
            total.mul_(1 - due)
        return terms
