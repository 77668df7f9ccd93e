"""DCGAN: Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional GANs" (2015).

Strided convolutions replace pooling and fully connected layers. Both networks use batch normalisation, except for the
generator's output and the discriminator's input. Activations are ReLU in the generator, leaky ReLU 0.2 in the
discriminator, and tanh at the output. Weights are initialised from N(0, 0.02).

The depth follows the resolution: the side doubles from 4x4 up to the resolution. At 8 pixels it starts from 2x2,
because a single doubling would leave only two layers. `architecture: residual` uses the blocks of
`networks/residual.py` instead.
"""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.game.adversarial_settings import ConvolutionalSettings, PyramidSettings
from pipeline.gans.networks import residual
from pipeline.gans.networks.heads import output_head
from pipeline.gans.networks.layers import MinibatchStd, count_doublings
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.items import ItemSpec


def first_side(resolution: int) -> int:
    """Return the side of the generator's first feature map, which is also that of the discriminator's last."""
    return min(4, resolution // 4)


def channel_widths(base: int, maximum: int, resolution: int) -> list[int]:
    """Return the channels at resolution/2, resolution/4, ..., `first_side`: doubled at each step up to `maximum`."""
    levels = count_doublings(first_side(resolution), resolution)
    return [min(base * 2**level, maximum) for level in range(levels)]


class Generator(nn.Module):
    """Vectors [B, inputs] -> items [B, C, R, R], in (-1, 1) or categories."""

    def __init__(self, settings: PyramidSettings, item: ItemSpec, inputs: int) -> None:
        super().__init__()
        channels = channel_widths(settings.generator_channels, settings.max_channels, item.height)[::-1]
        first = first_side(item.height)
        if settings.architecture == "residual":
            self.layers = residual.generator_layers(inputs, channels, first, item)
            return
        layers: list[nn.Module] = [
            nn.Unflatten(1, (inputs, 1, 1)),
            nn.ConvTranspose2d(inputs, channels[0], first, bias=False),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(),
        ]
        for wide, narrow in pairwise(channels):
            layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()]
        layers += [nn.ConvTranspose2d(channels[-1], item.network_channels, 4, 2, 1), output_head(item)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.layers(z)
        return images


class Discriminator(nn.Module):
    """Images [B, inputs, R, R] in [-1, 1] -> logits [B]; positive means real.

    Attributes:
        trunk: Images -> the last feature maps.
        features: Channels of these maps.
    """

    def __init__(self, settings: ConvolutionalSettings, item: ItemSpec, inputs: int) -> None:
        super().__init__()
        channels = channel_widths(settings.discriminator_channels, settings.max_channels, item.height)
        self.features = channels[-1]
        if settings.architecture == "residual":
            self.trunk = residual.trunk_layers(inputs, channels)
        else:
            norm = settings.discriminator_norm == "batch"
            layers: list[nn.Module] = [nn.Conv2d(inputs, channels[0], 4, 2, 1), nn.LeakyReLU(0.2)]
            for narrow, wide in pairwise(channels):
                layers.append(nn.Conv2d(narrow, wide, 4, 2, 1, bias=not norm))
                if norm:
                    layers.append(nn.BatchNorm2d(wide))
                layers.append(nn.LeakyReLU(0.2))
            self.trunk = nn.Sequential(*layers)
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        self.head = nn.Conv2d(self.features + self.minibatch_std.extra, 1, first_side(item.height))

    def forward(self, images: Tensor) -> Tensor:
        return self.logits_from_features(self.trunk(images))

    def logits_from_features(self, maps: Tensor) -> Tensor:
        """Return the logits [B] of the trunk's feature maps."""
        logits: Tensor = self.head(self.minibatch_std(maps))
        return logits.flatten()


def init_weights(module: nn.Module) -> None:
    """Initialise weights from N(0, 0.02) and batch norm scales from N(1, 0.02); biases with 0 (Radford 2015)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d) and module.bias is not None:
        nn.init.zeros_(module.bias)


def initialiser(settings: PyramidSettings) -> Callable[[nn.Module], None]:
    """Return what initialises the weights of a network of this architecture."""
    return residual.init_weights if settings.architecture == "residual" else init_weights


def build_networks(
    settings: ConvolutionalSettings, item: ItemSpec, extra_latent: int = 0, extra_maps: int = 0
) -> tuple[Generator, Discriminator]:
    """Build and initialise generator and discriminator; `extra_latent` and `extra_maps` reserve inputs for labels."""
    initialise = initialiser(settings)
    maps = settings.stabilisers.packing * item.network_channels + extra_maps
    generator = Generator(settings, item, settings.latent + extra_latent).apply(initialise)
    discriminator = Discriminator(settings, item, maps).apply(initialise)
    return generator, discriminator


class DCGAN(Adversarial):
    """DCGAN under any adversarial objective."""

    def __init__(self, settings: DCGANSettings, item: ItemSpec) -> None:
        super().__init__(settings, *build_networks(settings, item))
