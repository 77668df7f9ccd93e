"""The U-Net of pix2pix: Isola et al. (2017), appendix 6.1.1: what is drawn where is carried past the narrow middle."""

import math

import torch
from torch import Tensor, nn

from pipeline.gans.networks.patchgan import SLOPE, begin, normalised

MOST, DEEPEST, DROPPED = 8, 8, 3


class UNet(nn.Module):
    """Images [B, C, H, W] -> [B, C, H, W] in [-1, 1], sides multiples of `multiple`, the side at which the middle is one pixel (256 at most).

    `dropout` is in the three innermost decoder blocks, and in training alone.
    """

    def __init__(self, channels: int, width: int, resolution: int, dropout: float) -> None:
        super().__init__()
        depth = min(int(math.log2(resolution)), DEEPEST)
        self.multiple = 2**depth
        widths = [width * min(2**number, MOST) for number in range(depth)]
        down, up = [], []
        for number, outputs in enumerate(widths):
            inputs = widths[number - 1] if number else channels
            # The middle is a single pixel of a picture, whose normalisation would leave nothing of it.
            norm = [normalised("batch", outputs)] if 0 < number < depth - 1 else []
            down.append(
                nn.Sequential(
                    *([nn.LeakyReLU(SLOPE)] if number else []),
                    nn.Conv2d(inputs, outputs, 4, 2, 1, bias=not norm),
                    *norm,
                )
            )
        for number in reversed(range(depth)):
            inputs = widths[number] * (1 if number == depth - 1 else 2)
            if number == 0:
                up.append(nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(inputs, channels, 4, 2, 1), nn.Tanh()))
                continue
            outputs = widths[number - 1]
            dropped = [nn.Dropout(dropout)] if depth - 1 - number < DROPPED and dropout else []
            up.append(
                nn.Sequential(
                    nn.ReLU(),
                    nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False),
                    normalised("batch", outputs),
                    *dropped,
                )
            )
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)
        self.apply(begin)

    def forward(self, images: Tensor) -> Tensor:
        carried = []
        for layer in self.down:
            images = layer(images)
            carried.append(images)
        images = self.up[0](carried.pop())
        for layer in list(self.up)[1:]:
            images = layer(torch.cat([images, carried.pop()], dim=1))
        return images
