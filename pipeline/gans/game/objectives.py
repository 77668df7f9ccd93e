"""Adversarial objectives on discriminator logits, in their softplus or direct form so that none overflows.

x are logits of real images and y logits of generated images, both [B] or [B, ...]. Every loss is a scalar. `smoothing`
lowers the target of real images from 1 to 1 - smoothing (one-sided label smoothing, Salimans 2016); objectives without
such a target ignore it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus

from pipeline.gans.variants.settings import Objective

DiscriminatorLoss = Callable[[Tensor, Tensor, float], Tensor]
GeneratorLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class AdversarialObjective:
    """The losses of both networks.

    Attributes:
        discriminator: (x, y, smoothing) -> loss.
        generator: (x, y) -> loss.
        paired: The generator's loss depends on x.
    """

    discriminator: DiscriminatorLoss
    generator: GeneratorLoss
    paired: bool = False


def smoothed_cross_entropy(x: Tensor, y: Tensor, smoothing: float) -> Tensor:
    """Return -(1 - s) log sigma(x) - s log(1 - sigma(x)) - log(1 - sigma(y)) (Goodfellow 2014, eq. 1)."""
    # softplus(x) - softplus(-x) = x, so the smoothed cross-entropy is softplus(-x) + s x.
    return (softplus(-x) + smoothing * x).mean() + softplus(y).mean()


OBJECTIVES: dict[Objective, AdversarialObjective] = {
    # Goodfellow 2014: the generator maximises log D(G(z)).
    "nonsaturating": AdversarialObjective(smoothed_cross_entropy, lambda x, y: softplus(-y).mean()),
    # Goodfellow 2014, eq. 1: the generator minimises log(1 - D(G(z))).
    "minimax": AdversarialObjective(smoothed_cross_entropy, lambda x, y: -softplus(y).mean()),
    # Mao 2017, eq. 9 (a = 0, b = c = 1).
    "lsgan": AdversarialObjective(
        lambda x, y, smoothing: 0.5 * ((x - (1 - smoothing)).square().mean() + y.square().mean()),
        lambda x, y: 0.5 * (y - 1).square().mean(),
    ),
    # Arjovsky 2017, eq. 2 and 3. The critic is bounded by a penalty, weight clipping or spectral normalisation.
    "wgan": AdversarialObjective(lambda x, y, _: y.mean() - x.mean(), lambda x, y: -y.mean()),
    # Lim & Ye 2017.
    "hinge": AdversarialObjective(lambda x, y, _: relu(1 - x).mean() + relu(1 + y).mean(), lambda x, y: -y.mean()),
    # Jolicoeur-Martineau 2018, in the pairing form of Huang 2024 (R3GAN), eq. 1.
    "relativistic": AdversarialObjective(
        lambda x, y, _: softplus(y - x).mean(), lambda x, y: softplus(x - y).mean(), paired=True
    ),
}
