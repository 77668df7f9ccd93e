"""The networks of DRIT: Lee et al. (2018), section 3.4 and its appendix.

Styles enter by concatenation, which the authors use for changes of colour and texture. A style becomes constant feature
maps. Instance normalisation would remove them, so the generators use layer normalisation.

The attribute names are keys of generator.safetensors.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from pipeline.gans.networks.deterministic import GlobalAveragePool2d, ReflectionPad2d
from pipeline.gans.networks.patchgan import SLOPE, init_weights
from pipeline.gans.networks.resnet_generator import ResidualBlock, downsampling

DOMAINS = ("a", "b")


class ContentEncoder(nn.Module):
    """Images [B, C, H, W] of either domain -> contents [B, 4 width, H / 4, W / 4].

    The domains share all layers, as in DRIT++ with many domains. With layers of their own, an encoder can exchange the
    contents of its domain, which neither the content discriminator nor the cycle notices.
    """

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        first = (ReflectionPad2d(3), nn.Conv2d(channels, width, 7), nn.LeakyReLU(SLOPE))
        down = (*downsampling(width), *downsampling(2 * width))
        self.layers = nn.Sequential(*first, *down, *(ResidualBlock(4 * width) for _ in range(blocks + 1)))
        self.apply(init_weights)

    def forward(self, images: Tensor) -> Tensor:
        content: Tensor = self.layers(images)
        return content


class StyleEncoders(nn.Module):
    """Images [B, C, H, W] of a domain -> mean and log variance of their styles, each [B, style]."""

    def __init__(self, channels: int, width: int, style: int) -> None:
        super().__init__()

        def encoder() -> nn.Sequential:
            layers: list[nn.Module] = [ReflectionPad2d(3), nn.Conv2d(channels, width, 7), nn.LeakyReLU(SLOPE)]
            for inputs, outputs in ((width, 2 * width), (2 * width, 4 * width), (4 * width, 4 * width)):
                layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.LeakyReLU(SLOPE)]
            return nn.Sequential(*layers, GlobalAveragePool2d(), nn.Flatten(), nn.Linear(4 * width, 2 * style))

        self.own = nn.ModuleDict({domain: encoder() for domain in DOMAINS})
        self.apply(init_weights)

    def forward(self, images: Tensor, domain: str) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.own[domain](images).float().chunk(2, dim=1)
        return mean, log_variance


class StyledBlock(nn.Module):
    """[B, C, H, W] and styles [B, style] -> [B, C, H, W]: two 3x3 convolutions of both, and a skip connection."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.first, self.second = (
            nn.Sequential(ReflectionPad2d(1), nn.Conv2d(channels + style, channels, 3), layer_norm(channels))
            for _ in range(2)
        )

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        hidden = torch.relu(self.first(concat_style(x, z)))
        result: Tensor = x + self.second(concat_style(hidden, z))
        return result


class DomainGenerator(nn.Module):
    """Contents and styles -> images [B, C, H, W] in [-1, 1] of one domain."""

    def __init__(self, channels: int, width: int, blocks: int, style: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([StyledBlock(4 * width, style) for _ in range(blocks)])
        self.up = nn.ModuleList([upsampling(4 * width, style), upsampling(2 * width, style)])
        self.last = nn.Sequential(ReflectionPad2d(3), nn.Conv2d(width + style, channels, 7), nn.Tanh())

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, z)
        for up in self.up:
            x = up(concat_style(x, z))
        images: Tensor = self.last(concat_style(x, z))
        return images


class Generators(nn.Module):
    """Contents [B, 4 width, h, w] and styles [B, style] -> images [B, C, 4 h, 4 w] of a domain.

    The domains share the first block.
    """

    def __init__(self, channels: int, width: int, blocks: int, style: int) -> None:
        super().__init__()
        self.common = ResidualBlock(4 * width)
        self.own = nn.ModuleDict({domain: DomainGenerator(channels, width, blocks, style) for domain in DOMAINS})
        self.apply(init_weights)

    def forward(self, content: Tensor, z: Tensor, domain: str) -> Tensor:
        images: Tensor = self.own[domain](self.common(content), z)
        return images.float()


class ContentDiscriminator(nn.Module):
    """Contents [B, 4 width, h, w] -> logits [B]; positive means domain b."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(3):
            layers += [nn.Conv2d(channels, channels, 3, 2, 1), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(channels, 1)
        self.apply(init_weights)

    def forward(self, content: Tensor) -> Tensor:
        maps = self.layers(content)
        logits: Tensor = self.last(avg_pool2d(maps, maps.shape[2:]).flatten(1))
        return logits.squeeze(1).float()


class StyledTranslator(nn.Module):
    """`image` and `z` -> images: one direction as a graph for export."""

    def __init__(self, contents: ContentEncoder, painters: Generators, target: str) -> None:
        super().__init__()
        self.contents, self.painters, self.target = contents, painters, target

    def forward(self, image: Tensor, z: Tensor) -> Tensor:
        images: Tensor = self.painters(self.contents(image), z, self.target)
        return images


class StyleReader(nn.Module):
    """`image` -> `z`: the mean of its style, as a graph for export."""

    def __init__(self, styles: StyleEncoders, domain: str) -> None:
        super().__init__()
        self.styles, self.domain = styles, domain

    def forward(self, image: Tensor) -> Tensor:
        mean: Tensor = self.styles(image, self.domain)[0]
        return mean


def upsampling(channels: int, style: int) -> nn.Sequential:
    """Build [B, channels + style, H, W] -> [B, channels / 2, 2H, 2W].

    A strided transposed convolution would draw a checkerboard, so pixels are repeated first (Odena 2016).
    """
    half = channels // 2
    enlarge = (nn.Upsample(scale_factor=2), ReflectionPad2d(1), nn.Conv2d(channels + style, half, 3))
    return nn.Sequential(*enlarge, layer_norm(half), nn.ReLU())


def layer_norm(channels: int) -> nn.Module:
    """Build layer normalisation over channels and positions (Ba 2016)."""
    return nn.GroupNorm(1, channels)


def concat_style(x: Tensor, z: Tensor) -> Tensor:
    """Concatenate feature maps [B, c, h, w] with styles [B, s] as constant maps: [B, c + s, h, w]."""
    return torch.cat([x, z[:, :, None, None].expand(-1, -1, x.shape[2], x.shape[3]).to(x.dtype)], dim=1)
