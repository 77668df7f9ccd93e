"""Differentiable augmentation of the discriminator's inputs, with a fixed, scheduled or adaptive probability.

Real and generated images are augmented alike. Every transformation is twice differentiable, so gradients reach the
generator and gradient penalties can be taken through it.
"""

import torch
from torch import Tensor, nn

from pipeline.gans.augment.ada import ada
from pipeline.gans.augment.diffaugment import diffaugment
from pipeline.gans.augment.turns import turns
from pipeline.gans.game.settings import AugmentSettings
from pipeline.gans.networks.layers import full_precision
from pipeline.gans.progress import Progress
from pipeline.shared_batch import whole

POLICIES = {"diffaugment": diffaugment, "ada": ada, "turns": turns}
INTERVAL = 4
"""Discriminator updates between two adaptations (Karras 2020, section 3.3)."""


class Augment(nn.Module):
    """Applies a policy with some probability.

    The adaptive probability (Karras 2020, "Training GANs with Limited Data", section 3.3) rises while E[sign D(real)]
    is above its target, which shows that the discriminator overfits. The probability and the running sums are buffers.
    """

    probability: Tensor
    sign_sum: Tensor
    image_count: Tensor
    updates: Tensor

    def __init__(self, settings: AugmentSettings) -> None:
        super().__init__()
        self.settings = settings
        self.adaptive = settings.target is not None
        self.register_buffer("probability", torch.tensor(settings.probability.start if self.adaptive else 0.0))
        for name in ("sign_sum", "image_count", "updates"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, images: Tensor, progress: Progress, rng: torch.Generator) -> Tensor:
        """Augment images [B, C, H, W] in [-1, 1], each independently."""
        policy = POLICIES.get(self.settings.policy)
        if policy is None:
            return images
        probability = self.probability
        if not self.adaptive:
            probability = torch.zeros((), device=images.device) + progress.weight(self.settings.probability)
        # 16-bit floats are too coarse for sampling coordinates.
        with full_precision(images):
            return policy(images.float(), probability, rng)

    @torch.no_grad()
    def adapt(self, real_logits: Tensor) -> dict[str, Tensor]:
        """Record the logits of one discriminator update; adjust the probability every `INTERVAL` updates.

        Returns:
            Terms to log; empty if the probability is not adaptive.
        """
        target = self.settings.target
        if target is None:
            return {}
        real_logits = whole(real_logits)
        self.sign_sum += real_logits.sign().sum()
        self.image_count += len(real_logits)
        self.updates += 1
        # No branch on device values, so that nothing waits for the device.
        due = (self.updates % INTERVAL == 0).float()
        change = (self.sign_sum / self.image_count - target).sign() * self.image_count / self.settings.adapt_images
        self.probability.add_(due * change).clamp_(0, 1)
        terms = {"ada_probability": self.probability.clone(), "ada_sign": self.sign_sum / self.image_count}
        for total in (self.sign_sum, self.image_count):
            total.mul_(1 - due)
        return terms
