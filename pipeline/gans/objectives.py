"""Adversarial objectives on discriminator logits; every one in its softplus or direct form, so none overflows.

x are logits of real images, y of generated ones, both [B] or [B, ...]; each function returns a scalar.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus

from pipeline.gans.settings import Objective

LogitsLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class AdversarialObjective:
    """`discriminator(x, y)` and `generator(x, y)`; `x` is ignored by generators that need no real logits."""

    discriminator: LogitsLoss
    generator: LogitsLoss


def cross_entropy(x: Tensor, y: Tensor) -> Tensor:
    """-log sigma(x) - log(1 - sigma(y)) (Goodfellow 2014, eq. 1)."""
    return softplus(-x).mean() + softplus(y).mean()


OBJECTIVES: dict[Objective, AdversarialObjective] = {
    # Goodfellow 2014: the generator maximises log D(G(z)).
    "nonsaturating": AdversarialObjective(cross_entropy, lambda x, y: softplus(-y).mean()),
    # Goodfellow 2014, eq. 1 as it stands: the generator minimises log(1 - D(G(z))).
    "minimax": AdversarialObjective(cross_entropy, lambda x, y: -softplus(y).mean()),
    # Mao 2017, eq. 9 (a = 0, b = c = 1).
    "lsgan": AdversarialObjective(
        lambda x, y: 0.5 * ((x - 1).square().mean() + y.square().mean()),
        lambda x, y: 0.5 * (y - 1).square().mean(),
    ),
    # Lim & Ye 2017.
    "hinge": AdversarialObjective(
        lambda x, y: relu(1 - x).mean() + relu(1 + y).mean(),
        lambda x, y: -y.mean(),
    ),
    # Jolicoeur-Martineau 2018 in the pairing form of Huang 2024 (R3GAN), eq. 1.
    "relativistic": AdversarialObjective(
        lambda x, y: softplus(y - x).mean(),
        lambda x, y: softplus(x - y).mean(),
    ),
}
