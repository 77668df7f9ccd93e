"""The first GAN: Goodfellow et al., "Generative Adversarial Nets" (2014), with multilayer perceptrons for both players.

Rectifiers in the generator, a bounded output, dropout in the discriminator; leaky rectifiers stand for the paper's maxout, and tanh
for its sigmoid because images here lie in [-1, 1].
"""

from itertools import pairwise

from torch import Tensor, nn

from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.networks.layers import MinibatchStd
from pipeline.gans.variants.vanilla.settings import VanillaSettings
from pipeline.items import ItemSpec


class Generator(nn.Module):
    """z [B, latent] -> images [B, C, R, R] in (-1, 1)."""

    def __init__(self, settings: VanillaSettings, item: ItemSpec) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for narrow, wide in pairwise((settings.latent, *settings.hidden)):
            layers += [nn.Linear(narrow, wide), nn.ReLU()]
        shape = (item.network_channels, item.height, item.width)
        layers += [
            nn.Linear(settings.hidden[-1], item.network_channels * item.height * item.width),
            nn.Tanh(),
            nn.Unflatten(1, shape),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.layers(z)
        return images


class Discriminator(nn.Module):
    """Images [B, C, R, R] in [-1, 1] -> logits [B]; positive means real."""

    def __init__(self, settings: VanillaSettings, item: ItemSpec) -> None:
        super().__init__()
        sizes = (
            settings.stabilisers.packing * item.network_channels * item.height * item.width,
            *reversed(settings.hidden),
        )
        layers: list[nn.Module] = [nn.Flatten()]
        for wide, narrow in pairwise(sizes):
            layers += [nn.Linear(wide, narrow), nn.LeakyReLU(0.2), nn.Dropout(settings.dropout)]
        self.trunk = nn.Sequential(*layers)
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        self.head = nn.Linear(sizes[-1] + self.minibatch_std.extra, 1)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.minibatch_std(self.trunk(images)))
        return logits.squeeze(1)


def initialise(module: nn.Module) -> None:
    """He's normal start (2015), which keeps the scale through rectifiers; biases 0."""
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight, 0.2, nonlinearity="leaky_relu")
        nn.init.zeros_(module.bias)


class Vanilla(Adversarial):
    """The 2014 game; `objective: minimax` is its equation 1, `nonsaturating` what its section 3 trains with."""

    def __init__(self, settings: VanillaSettings, item: ItemSpec) -> None:
        super().__init__(
            settings, Generator(settings, item).apply(initialise), Discriminator(settings, item).apply(initialise)
        )
