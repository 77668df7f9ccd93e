"""The networks of StarGAN v2: Choi et al. (2020), appendix A.

All are made of pre-activation residual blocks. The generator's encoder uses instance normalisation; its decoder uses
adaptive instance normalisation, through which the style enters. The other networks have no normalisation, and one
output layer for each domain.

The attribute names are keys of generator.safetensors.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

from pipeline.gans.networks.deterministic import GlobalAveragePool2d
from pipeline.gans.networks.patchgan import SLOPE
from pipeline.gans.variants.stargan.settings import Bypass

LAST_SIDE = 4
"""Side of the last maps of the discriminator and of the style encoder."""

FIRST_CHANGE = 0.001
"""Standard deviation of the initial weights of the layer that adds to an image."""

SHARED_LAYERS, OWN_LAYERS = 4, 3
"""Layers of the mapping network that all domains share, and further hidden ones of each domain."""


class AdaptiveNorm(nn.Module):
    """Adaptive instance normalisation (Huang 2017): the style gives scale and shift of the normalised maps."""

    def __init__(self, style: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels)
        self.linear = nn.Linear(style, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.linear(style)[:, :, None, None].chunk(2, dim=1)
        result: Tensor = (1 + scale) * self.norm(x) + shift
        return result


class PlainNorm(nn.Module):
    """Instance normalisation with learned scale and shift, or none; ignores the style."""

    def __init__(self, channels: int, *, normalise: bool) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels, affine=True) if normalise else nn.Identity()

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        result: Tensor = self.norm(x)
        return result


class Block(nn.Module):
    """A residual block [B, inputs, H, W] -> [B, outputs, H s, W s] of unit variance, with s of 1/2, 1 or 2.

    Args:
        norms: Normalisation before the first and before the second convolution.
        scale: s.
        bypass: The shortcut takes the maps as they are; otherwise as the first normalisation leaves them.
    """

    def __init__(
        self, inputs: int, outputs: int, norms: tuple[nn.Module, nn.Module], scale: float = 1.0, *, bypass: bool = True
    ) -> None:
        super().__init__()
        self.scale, self.bypass = scale, bypass
        self.norm1, self.norm2 = norms
        # The second convolution widens when the block halves the side, and the first narrows when it doubles it.
        middle = outputs if scale > 1 else inputs
        self.conv1, self.conv2 = nn.Conv2d(inputs, middle, 3, 1, 1), nn.Conv2d(middle, outputs, 3, 1, 1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        normal = self.norm1(x, style)
        x = x if self.bypass else normal
        main = leaky_relu(normal, SLOPE)
        main = self.conv1(interpolate(main, scale_factor=2.0) if self.scale > 1 else main)
        main = avg_pool2d(main, 2) if self.scale < 1 else main
        main = self.conv2(leaky_relu(self.norm2(main, style), SLOPE))
        # A 1x1 convolution of fewer pixels equals that of more.
        skip = self.skip(avg_pool2d(x, 2) if self.scale < 1 else x)
        skip = interpolate(skip, scale_factor=2.0) if self.scale > 1 else skip
        result: Tensor = (main + skip) / math.sqrt(2)
        return result


class Generator(nn.Module):
    """Images [B, C, H, W] and styles [B, style] -> images [B, C, H, W] in [-1, 1].

    Shortcuts carry bright and dark of the input past the styles, and training does not learn to exchange them.

    Args:
        widths: Channels at each resolution, the highest first; one more than there are halvings.
        blocks: Residual blocks at the lowest resolution, before and after the style enters.
        bypass: With "none" the encoder reads the input's own style and adapts its normalisation to it, shortcuts are
            normalised, and the style scales and shifts the output; scales have either sign from the start. With "image"
            the networks add to the image, at first next to nothing.
    """

    def __init__(self, channels: int, widths: list[int], blocks: int, style: int, *, bypass: Bypass) -> None:
        super().__init__()
        lowest, contrast, self.residual = widths[-1], bypass == "none", bypass == "image"

        def plain(inputs: int) -> nn.Module:
            return AdaptiveNorm(style, inputs) if contrast else PlainNorm(inputs, normalise=True)

        def encoding(inputs: int, outputs: int, scale: float = 1.0) -> Block:
            return Block(inputs, outputs, (plain(inputs), plain(inputs)), scale, bypass=not contrast)

        def styled(inputs: int, outputs: int, scale: float = 1.0) -> Block:
            middle = outputs if scale > 1 else inputs
            norms = (AdaptiveNorm(style, inputs), AdaptiveNorm(style, middle))
            return Block(inputs, outputs, norms, scale, bypass=not contrast)

        self.first = nn.Conv2d(channels, widths[0], 3, 1, 1)
        self.encoder = nn.Sequential(
            *(encoding(wide, wider, 0.5) for wide, wider in pairwise(widths)),
            *(encoding(lowest, lowest) for _ in range(blocks)),
        )
        self.decoder = nn.ModuleList(
            [*(styled(lowest, lowest) for _ in range(blocks))]
            + [styled(wider, wide, 2.0) for wider, wide in pairwise(widths[::-1])]
        )
        colours = nn.Conv2d(widths[0], channels, 1)
        self.last = nn.Sequential(nn.InstanceNorm2d(widths[0], affine=True), nn.LeakyReLU(SLOPE), colours)
        self.own_style = read_own_style(channels, widths[0], style) if contrast else None
        self.contrast = nn.Linear(style, 2 * channels) if contrast else None
        self.apply(init_weights)
        if self.residual:
            nn.init.normal_(colours.weight, std=FIRST_CHANGE)

    def forward(self, images: Tensor, style: Tensor) -> Tensor:
        own = self.own_style(images) if self.own_style is not None else None
        maps = self.first(images)
        for block in self.encoder:
            maps = block(maps, own)
        for block in self.decoder:
            maps = block(maps, style)
        maps = self.last(maps)
        if self.contrast is not None:
            scale, shift = self.contrast(style)[:, :, None, None].chunk(2, dim=1)
            maps = scale * maps + shift
        result: Tensor = (images + maps).clamp(-1, 1) if self.residual else maps.tanh()
        return result.float()


def read_own_style(channels: int, width: int, style: int) -> nn.Sequential:
    """Return a small network: images [B, C, H, W] -> what the encoder adapts to, [B, style]."""
    return nn.Sequential(
        *(nn.Conv2d(channels, width, 3, 2, 1), nn.LeakyReLU(SLOPE)),
        *(nn.Conv2d(width, 2 * width, 3, 2, 1), nn.LeakyReLU(SLOPE)),
        *(GlobalAveragePool2d(), nn.Flatten(), nn.Linear(2 * width, style)),
    )


class MappingNetwork(nn.Module):
    """Latents [B, latent] and domains int64 [B] -> styles [B, style]."""

    def __init__(self, latent: int, width: int, style: int, domains: int) -> None:
        super().__init__()

        def layers(inputs: int, count: int) -> list[nn.Module]:
            sizes = [inputs, *[width] * count]
            return [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]

        self.shared = nn.Sequential(*layers(latent, SHARED_LAYERS))
        self.own = nn.ModuleList(
            nn.Sequential(*layers(width, OWN_LAYERS), nn.Linear(width, style)) for _ in range(domains)
        )
        self.apply(init_weights)

    def forward(self, z: Tensor, domain: Tensor) -> Tensor:
        hidden = self.shared(z)
        return select(torch.stack([branch(hidden) for branch in self.own], dim=1), domain).float()


class DomainEncoder(nn.Module):
    """Images [B, C, S, S] and domains int64 [B] -> [B, outputs] of that domain: style encoder and discriminator.

    Args:
        channels: Channels of the images.
        widths: Channels of the images' resolution, and of each half of it down to 4x4.
        outputs: Values of each domain: the length of a style, or one logit.
        domains: Number of domains.
    """

    def __init__(self, channels: int, widths: list[int], outputs: int, domains: int) -> None:
        super().__init__()
        self.domains, last = domains, widths[-1]

        def block(inputs: int, wider: int) -> Block:
            norms = (PlainNorm(inputs, normalise=False), PlainNorm(inputs, normalise=False))
            return Block(inputs, wider, norms, 0.5)

        self.trunk = nn.Sequential(
            nn.Conv2d(channels, widths[0], 3, 1, 1),
            *(block(wide, wider) for wide, wider in pairwise(widths)),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(last, last, LAST_SIDE),
            nn.LeakyReLU(SLOPE),
            nn.Flatten(),
        )
        self.heads = nn.Linear(last, domains * outputs)
        self.apply(init_weights)

    def forward(self, images: Tensor, domain: Tensor) -> Tensor:
        return select(self.heads(self.trunk(images)).unflatten(1, (self.domains, -1)), domain).float()


class LatentTranslator(nn.Module):
    """`image`, `label` and `z` -> images: a translation in a random style, as a graph for export."""

    def __init__(self, generator: Generator, mapping: MappingNetwork) -> None:
        super().__init__()
        self.generator, self.mapping = generator, mapping

    def forward(self, image: Tensor, label: Tensor, z: Tensor) -> Tensor:
        images: Tensor = self.generator(image, self.mapping(z, label))
        return images


class ReferenceTranslator(nn.Module):
    """`image`, `label` and `reference`, an image of that class -> images: a translation in the reference's style."""

    def __init__(self, generator: Generator, styles: DomainEncoder) -> None:
        super().__init__()
        self.generator, self.styles = generator, styles

    def forward(self, image: Tensor, label: Tensor, reference: Tensor) -> Tensor:
        images: Tensor = self.generator(image, self.styles(reference, label))
        return images


def select(values: Tensor, domain: Tensor) -> Tensor:
    """Return the row of each sample's domain: [B, K, d] and int64 [B] -> [B, d]."""
    index = domain[:, None, None].expand(-1, 1, values.shape[2])
    return values.gather(1, index).squeeze(1)


def widths_down(width: int, halvings: int, most: int) -> list[int]:
    """Return the channels at a resolution and after each halving, which doubles them up to `most`."""
    return [min(width << n, most) for n in range(halvings + 1)]


def init_weights(module: nn.Module) -> None:
    """Initialise convolutions and linear layers with He's scheme (2015), and their biases with 0."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
