"""DCGAN: Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional GANs" (2015).

Strided convolutions instead of pooling, no hidden dense layers, batch normalisation in both networks but for the
generator's output and the discriminator's input, ReLU in the generator, leaky ReLU 0.2 in the discriminator, tanh at
the end, weights from N(0, 0.02). The depth follows the resolution: doublings from 4x4 up to `resolution`, from 2x2 at 8 pixels,
where a single doubling would leave two layers.

`architecture: residual` puts the blocks of `residual.py` in their place.
"""

from itertools import pairwise

from torch import Tensor, nn

from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.game.adversarial_settings import ConvolutionalSettings, PyramidSettings
from pipeline.gans.networks import residual
from pipeline.gans.networks.layers import MinibatchStd, doublings
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.items import ItemSpec


def smallest(resolution: int) -> int:
    """Side of the first feature map of the generator and the last of the discriminator."""
    return min(4, resolution // 4)


def widths(base: int, maximum: int, resolution: int) -> list[int]:
    """Channels at resolution/2, resolution/4, ..., `smallest`: doubled at each step up to `maximum`."""
    return [min(base * 2**level, maximum) for level in range(doublings(resolution, smallest(resolution)))]


class Generator(nn.Module):
    """Vectors [B, inputs] -> images [B, C, R, R] in (-1, 1)."""

    def __init__(self, settings: PyramidSettings, item: ItemSpec, inputs: int) -> None:
        super().__init__()
        channels = widths(settings.generator_channels, settings.max_channels, item.height)[::-1]
        first = smallest(item.height)
        if settings.architecture == "residual":
            self.layers = residual.generator_layers(inputs, channels, first, item.network_channels)
            return
        layers: list[nn.Module] = [
            nn.Unflatten(1, (inputs, 1, 1)),
            nn.ConvTranspose2d(inputs, channels[0], first, bias=False),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(),
        ]
        for wide, narrow in pairwise(channels):
            layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()]
        layers += [nn.ConvTranspose2d(channels[-1], item.network_channels, 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.layers(z)
        return images


class Discriminator(nn.Module):
    """Images [B, inputs, R, R] in [-1, 1] -> logits [B]; positive means real. `trunk` gives the last maps, `features` channels of them."""

    def __init__(self, settings: ConvolutionalSettings, item: ItemSpec, inputs: int) -> None:
        super().__init__()
        channels = widths(settings.discriminator_channels, settings.max_channels, item.height)
        self.features = channels[-1]
        if settings.architecture == "residual":
            self.trunk = residual.trunk_layers(inputs, channels)
        else:
            normalised = settings.discriminator_norm == "batch"
            layers: list[nn.Module] = [nn.Conv2d(inputs, channels[0], 4, 2, 1), nn.LeakyReLU(0.2)]
            for narrow, wide in pairwise(channels):
                layers.append(nn.Conv2d(narrow, wide, 4, 2, 1, bias=not normalised))
                if normalised:
                    layers.append(nn.BatchNorm2d(wide))
                layers.append(nn.LeakyReLU(0.2))
            self.trunk = nn.Sequential(*layers)
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        self.head = nn.Conv2d(self.features + self.minibatch_std.extra, 1, smallest(item.height))

    def forward(self, images: Tensor) -> Tensor:
        return self.verdict(self.trunk(images))

    def verdict(self, maps: Tensor) -> Tensor:
        """Logits [B] of the trunk's maps."""
        logits: Tensor = self.head(self.minibatch_std(maps))
        return logits.flatten()


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), batch-normalisation scales from N(1, 0.02), biases 0 (Radford 2015, section 4)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d) and module.bias is not None:
        nn.init.zeros_(module.bias)


def networks(
    settings: ConvolutionalSettings, item: ItemSpec, extra_latent: int = 0, extra_maps: int = 0
) -> tuple[Generator, Discriminator]:
    """The pair, initialised as its architecture wants, with room for labels beside z and beside the image's channels."""
    start = residual.initialise if settings.architecture == "residual" else initialise
    generator = Generator(settings, item, settings.latent + extra_latent).apply(start)
    discriminator = Discriminator(
        settings, item, settings.stabilisers.packing * item.network_channels + extra_maps
    ).apply(start)
    return generator, discriminator


class DCGAN(Adversarial):
    """DCGAN under any adversarial objective."""

    def __init__(self, settings: DCGANSettings, item: ItemSpec) -> None:
        super().__init__(settings, *networks(settings, item))
