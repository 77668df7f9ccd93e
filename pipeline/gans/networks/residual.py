"""Residual up- and down-sampling networks: Gulrajani et al. 2017 (appendix F) and Miyato et al. 2018 (appendix B.4).

Pre-activation blocks of two 3x3 convolutions with a 1x1 convolution on the skip connection. The generator's blocks use
batch normalisation and nearest-neighbour upsampling; the discriminator's use average pooling and no normalisation.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from pipeline.gans.networks.heads import output_head
from pipeline.items import ItemSpec


class UpBlock(nn.Module):
    """[B, inputs, S, S] -> [B, outputs, 2S, 2S]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        main = self.conv1(interpolate(relu(self.norm1(x)), scale_factor=2.0))
        # A 1x1 convolution before upsampling equals one after it, at a quarter of the work.
        skip = interpolate(self.skip(x), scale_factor=2.0)
        result: Tensor = self.conv2(relu(self.norm2(main))) + skip
        return result


class DownBlock(nn.Module):
    """[B, inputs, 2S, 2S] -> [B, outputs, S, S]; the `first` block does not activate its input, the image."""

    def __init__(self, inputs: int, outputs: int, *, first: bool = False) -> None:
        super().__init__()
        self.first = first
        self.conv1, self.conv2 = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        main = self.conv2(relu(self.conv1(x if self.first else relu(x))))
        result: Tensor = avg_pool2d(main, 2) + self.skip(avg_pool2d(x, 2))
        return result


class FlatBlock(nn.Module):
    """The discriminator's last block: [B, C, S, S] -> [B, C, S, S], with a final ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return relu(x + self.conv2(relu(self.conv1(relu(x)))))


def generator_layers(inputs: int, channels: list[int], first: int, item: ItemSpec) -> nn.Sequential:
    """Build the generator: vectors [B, inputs] -> items [B, C, S, S], in (-1, 1) or categories.

    S is `first`, doubled once for each of `channels` (widest first).
    """
    blocks = [UpBlock(wide, narrow) for wide, narrow in pairwise([channels[0], *channels])]
    head = [nn.Linear(inputs, channels[0] * first**2), nn.Unflatten(1, (channels[0], first, first))]
    last = nn.Conv2d(channels[-1], item.network_channels, 3, padding=1)
    tail = [nn.BatchNorm2d(channels[-1]), nn.ReLU(), last, output_head(item)]
    return nn.Sequential(*head, *blocks, *tail)


def trunk_layers(inputs: int, channels: list[int]) -> nn.Sequential:
    """Build the discriminator's trunk: images [B, inputs, S, S] -> feature maps [B, channels[-1], S / 2^n, S / 2^n].

    n is the number of `channels` (narrowest first).
    """
    blocks = [DownBlock(narrow, wide, first=i == 0) for i, (narrow, wide) in enumerate(pairwise([inputs, *channels]))]
    return nn.Sequential(*blocks, FlatBlock(channels[-1]))


@torch.no_grad()
def init_weights(module: nn.Module) -> None:
    """Initialise with Glorot's uniform scheme (2010), gain sqrt(2) on the main path of the blocks, and zero biases."""
    if isinstance(module, UpBlock | DownBlock | FlatBlock):
        for layer in (module.conv1, module.conv2):
            layer.weight.mul_(2**0.5)
    elif isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
