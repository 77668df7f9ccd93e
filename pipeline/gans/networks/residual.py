"""The residual up- and down-sampling pair: Gulrajani et al. 2017 (appendix F) and Miyato et al. 2018 (appendix B.4).

Pre-activation blocks of two 3x3 convolutions; the generator's normalise and double the side by repeating pixels, the
discriminator's are bare and halve it by averaging; one 1x1 convolution carries the sum past them.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu


class UpBlock(nn.Module):
    """[B, wide, S, S] -> [B, narrow, 2S, 2S]."""

    def __init__(self, wide: int, narrow: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(wide), nn.BatchNorm2d(narrow)
        self.conv1, self.conv2 = (
            nn.Conv2d(wide, narrow, 3, padding=1, bias=False),
            nn.Conv2d(narrow, narrow, 3, padding=1),
        )
        self.skip = nn.Conv2d(wide, narrow, 1)

    def forward(self, x: Tensor) -> Tensor:
        main = self.conv1(interpolate(relu(self.norm1(x)), scale_factor=2.0))
        # A 1x1 convolution before repeating pixels is the same as after it, at a quarter of the work.
        carried = interpolate(self.skip(x), scale_factor=2.0)
        result: Tensor = self.conv2(relu(self.norm2(main))) + carried
        return result


class DownBlock(nn.Module):
    """[B, narrow, 2S, 2S] -> [B, wide, S, S]; `first` has no activation in front of the image."""

    def __init__(self, narrow: int, wide: int, *, first: bool = False) -> None:
        super().__init__()
        self.first = first
        self.conv1, self.conv2 = nn.Conv2d(narrow, wide, 3, padding=1), nn.Conv2d(wide, wide, 3, padding=1)
        self.skip = nn.Conv2d(narrow, wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        main = self.conv2(relu(self.conv1(x if self.first else relu(x))))
        result: Tensor = avg_pool2d(main, 2) + self.skip(avg_pool2d(x, 2))
        return result


class FlatBlock(nn.Module):
    """The discriminator's last: [B, wide, S, S] unchanged in shape, and through a rectifier."""

    def __init__(self, wide: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(wide, wide, 3, padding=1), nn.Conv2d(wide, wide, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return relu(x + self.conv2(relu(self.conv1(relu(x)))))


def generator_layers(inputs: int, channels: list[int], first: int, outputs: int) -> nn.Sequential:
    """Vectors [B, inputs] -> images [B, outputs, S, S] in (-1, 1), S = `first` doubled for each of `channels` (widest first)."""
    blocks = [UpBlock(wide, narrow) for wide, narrow in pairwise([channels[0], *channels])]
    start = [nn.Linear(inputs, channels[0] * first**2), nn.Unflatten(1, (channels[0], first, first))]
    end = [nn.BatchNorm2d(channels[-1]), nn.ReLU(), nn.Conv2d(channels[-1], outputs, 3, padding=1), nn.Tanh()]
    return nn.Sequential(*start, *blocks, *end)


def trunk_layers(inputs: int, channels: list[int]) -> nn.Sequential:
    """Images [B, inputs, S, S] -> maps [B, channels[-1], S / 2^n, S / 2^n], one halving for each of `channels` (narrowest first)."""
    blocks = [
        DownBlock(narrow, wide, first=number == 0)
        for number, (narrow, wide) in enumerate(pairwise([inputs, *channels]))
    ]
    return nn.Sequential(*blocks, FlatBlock(channels[-1]))


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """Glorot's uniform start (2010), with gain sqrt 2 inside the blocks and 1 on what is carried past them and at the ends; biases 0."""
    if isinstance(module, UpBlock | DownBlock | FlatBlock):
        for layer in (module.conv1, module.conv2):
            layer.weight.mul_(2**0.5)
    elif isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
