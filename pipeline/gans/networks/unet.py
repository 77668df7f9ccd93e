"""The U-Net of pix2pix: Isola et al. (2017), appendix 6.1.1: an encoder and a decoder with skip connections."""

import math

import torch
from torch import Tensor, nn

from pipeline.gans.networks.patchgan import SLOPE, init_weights, norm_layer

MAX_WIDTH_FACTOR = 8
MAX_DEPTH = 8
DROPOUT_BLOCKS = 3
"""Innermost decoder blocks with dropout."""


class UNet(nn.Module):
    """Images [B, C, H, W] -> [B, C, H, W] in [-1, 1].

    Args:
        channels: Channels of the images.
        width: Channels of the first layer, doubled in each further one up to eight times as many.
        resolution: Side of the training images; up to 256 pixels, the bottleneck is a single pixel.
        dropout: Dropout probability in the three innermost decoder blocks, in training only.

    Attributes:
        multiple: Divisor of height and width.
    """

    def __init__(self, channels: int, width: int, resolution: int, dropout: float) -> None:
        super().__init__()
        depth = min(int(math.log2(resolution)), MAX_DEPTH)
        self.multiple = 2**depth
        widths = [width * min(2**level, MAX_WIDTH_FACTOR) for level in range(depth)]
        self.down = nn.ModuleList(encoder_block(channels, widths, level) for level in range(depth))
        self.up = nn.ModuleList(decoder_block(channels, widths, level, dropout) for level in reversed(range(depth)))
        self.apply(init_weights)

    def forward(self, images: Tensor) -> Tensor:
        skips = []
        for layer in self.down:
            images = layer(images)
            skips.append(images)
        images = self.up[0](skips.pop())
        for layer in list(self.up)[1:]:
            images = layer(torch.cat([images, skips.pop()], dim=1))
        return images


def encoder_block(channels: int, widths: list[int], level: int) -> nn.Sequential:
    """Build the encoder block of a level, which halves the side; level 0 takes the image."""
    inputs, outputs = widths[level - 1] if level else channels, widths[level]
    # Normalising the bottleneck's single pixel would erase it.
    norm = [norm_layer("batch", outputs)] if 0 < level < len(widths) - 1 else []
    activation = [nn.LeakyReLU(SLOPE)] if level else []
    return nn.Sequential(*activation, nn.Conv2d(inputs, outputs, 4, 2, 1, bias=not norm), *norm)


def decoder_block(channels: int, widths: list[int], level: int, dropout: float) -> nn.Sequential:
    """Build the decoder block of a level, which doubles the side; level 0 returns the image."""
    innermost = len(widths) - 1
    inputs = widths[level] * (1 if level == innermost else 2)
    if level == 0:
        return nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(inputs, channels, 4, 2, 1), nn.Tanh())
    outputs = widths[level - 1]
    drop = [nn.Dropout(dropout)] if innermost - level < DROPOUT_BLOCKS and dropout else []
    return nn.Sequential(
        nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), norm_layer("batch", outputs), *drop
    )
