"""The first GAN: Goodfellow et al., "Generative Adversarial Nets" (2014), with multilayer perceptrons.

A generator and a discriminator play a minimax game. The generator has ReLU layers and a bounded output, the
discriminator has dropout. Leaky ReLU replaces the paper's maxout, and tanh its sigmoid, because images are in [-1, 1].
"""

import math
from itertools import pairwise

from torch import Tensor, nn

from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.networks.heads import output_head
from pipeline.gans.networks.layers import MinibatchStd
from pipeline.gans.variants.vanilla.settings import VanillaSettings
from pipeline.items import ItemSpec


class Generator(nn.Module):
    """z [B, latent] -> items [B, C, H, W], in (-1, 1) or categories."""

    def __init__(self, settings: VanillaSettings, item: ItemSpec) -> None:
        super().__init__()
        shape = (item.network_channels, item.height, item.width)
        layers: list[nn.Module] = []
        for narrow, wide in pairwise((settings.latent, *settings.hidden)):
            layers += [nn.Linear(narrow, wide), nn.ReLU()]
        layers += [nn.Linear(settings.hidden[-1], math.prod(shape)), nn.Unflatten(1, shape), output_head(item)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.layers(z)
        return images


class Discriminator(nn.Module):
    """Images [B, C, H, W] in [-1, 1] -> logits [B]; positive means real."""

    def __init__(self, settings: VanillaSettings, item: ItemSpec) -> None:
        super().__init__()
        values = settings.stabilisers.packing * item.network_channels * item.height * item.width
        sizes = (values, *reversed(settings.hidden))
        layers: list[nn.Module] = [nn.Flatten()]
        for wide, narrow in pairwise(sizes):
            layers += [nn.Linear(wide, narrow), nn.LeakyReLU(0.2), nn.Dropout(settings.dropout)]
        self.trunk = nn.Sequential(*layers)
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        self.head = nn.Linear(sizes[-1] + self.minibatch_std.extra, 1)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.minibatch_std(self.trunk(images)))
        return logits.squeeze(1)


def init_weights(module: nn.Module) -> None:
    """Initialise with He's normal scheme (2015), which preserves the variance through ReLU layers; biases with 0."""
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight, 0.2, nonlinearity="leaky_relu")
        nn.init.zeros_(module.bias)


class Vanilla(Adversarial):
    """The game of 2014: objective minimax is its equation 1, nonsaturating the loss that its section 3 trains with."""

    def __init__(self, settings: VanillaSettings, item: ItemSpec) -> None:
        generator = Generator(settings, item).apply(init_weights)
        discriminator = Discriminator(settings, item).apply(init_weights)
        super().__init__(settings, generator, discriminator)
