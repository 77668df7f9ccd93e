"""The networks of DRIT: Lee et al. (2018), section 3.4 and its appendix; styles enter by concatenation, as its authors do it for colours and textures.

A style is a constant map beside the content's. Instance normalisation would take it off again, so the painters normalise a picture's
layer as a whole.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from pipeline.gans.networks.patchgan import SLOPE, begin
from pipeline.gans.networks.resnet_translator import Block, halving

SIDES = ("a", "b")


class Contents(nn.Module):
    """What a picture shows: [B, C, H, W] -> [B, 4 width, H / 4, W / 4]; the last block is common to both sides."""

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()

        def own() -> nn.Sequential:
            first = (nn.ReflectionPad2d(3), nn.Conv2d(channels, width, 7), nn.LeakyReLU(SLOPE))
            return nn.Sequential(
                *first, *halving(width), *halving(2 * width), *(Block(4 * width) for _ in range(blocks))
            )

        self.own = nn.ModuleDict({side: own() for side in SIDES})
        self.common = Block(4 * width)
        self.apply(begin)

    def forward(self, images: Tensor, side: str) -> Tensor:
        content: Tensor = self.common(self.own[side](images))
        return content


class Styles(nn.Module):
    """How a picture is painted: [B, C, H, W] -> mean and log variance of its style, each [B, style]."""

    def __init__(self, channels: int, width: int, style: int) -> None:
        super().__init__()

        def own() -> nn.Sequential:
            layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(channels, width, 7), nn.LeakyReLU(SLOPE)]
            for inputs, outputs in ((width, 2 * width), (2 * width, 4 * width), (4 * width, 4 * width)):
                layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.LeakyReLU(SLOPE)]
            return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 2 * style))

        self.own = nn.ModuleDict({side: own() for side in SIDES})
        self.apply(begin)

    def forward(self, images: Tensor, side: str) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.own[side](images).float().chunk(2, dim=1)
        return mean, log_variance


class PaintedBlock(nn.Module):
    """Two 3x3 convolutions over what is there and the style, and what went in."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.first, self.second = (
            nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(channels + style, channels, 3), whole(channels))
            for _ in range(2)
        )

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        result: Tensor = x + self.second(beside(torch.relu(self.first(beside(x, z))), z))
        return result


class Painter(nn.Module):
    """Content and style of one side -> images [B, C, H, W] in [-1, 1]."""

    def __init__(self, channels: int, width: int, blocks: int, style: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([PaintedBlock(4 * width, style) for _ in range(blocks)])
        self.up = nn.ModuleList([doubling(4 * width, style), doubling(2 * width, style)])
        self.last = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width + style, channels, 7), nn.Tanh())

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, z)
        for up in self.up:
            x = up(beside(x, z))
        images: Tensor = self.last(beside(x, z))
        return images


class Painters(nn.Module):
    """Content [B, 4 width, h, w] and style [B, style] -> images [B, C, 4 h, 4 w]; the first block is common to both sides."""

    def __init__(self, channels: int, width: int, blocks: int, style: int) -> None:
        super().__init__()
        self.common = Block(4 * width)
        self.own = nn.ModuleDict({side: Painter(channels, width, blocks, style) for side in SIDES})
        self.apply(begin)

    def forward(self, content: Tensor, z: Tensor, side: str) -> Tensor:
        images: Tensor = self.own[side](self.common(content), z)
        return images.float()


class ContentDiscriminator(nn.Module):
    """Content [B, 4 width, h, w] -> logits [B]: positive means side b."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(3):
            layers += [nn.Conv2d(channels, channels, 3, 2, 1), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(channels, 1)
        self.apply(begin)

    def forward(self, content: Tensor) -> Tensor:
        maps = self.layers(content)
        logits: Tensor = self.last(avg_pool2d(maps, maps.shape[2:]).flatten(1))
        return logits.squeeze(1).float()


class Translate(nn.Module):
    """`image` and `z` -> images, as one graph to export."""

    def __init__(self, contents: Contents, painters: Painters, source: str, target: str) -> None:
        super().__init__()
        self.contents, self.painters, self.source, self.target = contents, painters, source, target

    def forward(self, image: Tensor, z: Tensor) -> Tensor:
        images: Tensor = self.painters(self.contents(image, self.source), z, self.target)
        return images


class ReadStyle(nn.Module):
    """`image` -> z, the mean of its style, as one graph to export."""

    def __init__(self, styles: Styles, side: str) -> None:
        super().__init__()
        self.styles, self.side = styles, side

    def forward(self, image: Tensor) -> Tensor:
        mean: Tensor = self.styles(image, self.side)[0]
        return mean


def doubling(channels: int, style: int) -> nn.Sequential:
    half = channels // 2
    return nn.Sequential(nn.ConvTranspose2d(channels + style, half, 3, 2, 1, output_padding=1), whole(half), nn.ReLU())


def whole(channels: int) -> nn.Module:
    """Layer normalisation over channels and places (Ba 2016)."""
    return nn.GroupNorm(1, channels)


def beside(x: Tensor, z: Tensor) -> Tensor:
    """Maps [B, c, h, w] with a style [B, s] as constant maps: [B, c + s, h, w]."""
    return torch.cat([x, z[:, :, None, None].expand(-1, -1, x.shape[2], x.shape[3]).to(x.dtype)], dim=1)
