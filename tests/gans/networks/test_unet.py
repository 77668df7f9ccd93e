"""U-Net: the bottleneck is one pixel for images up to 256 pixels."""

import pytest
import torch
from torch import nn

from pipeline.gans.networks.unet import UNet


@pytest.mark.parametrize(("resolution", "depth"), [(16, 4), (64, 6), (256, 8), (512, 8)])
def test_bottleneck_is_one_pixel(resolution: int, depth: int) -> None:
    unet = UNet(3, 4, resolution, 0.5)
    assert (len(unet.down), len(unet.up), unet.multiple) == (depth, depth, 2**depth)
    maps = torch.zeros(1, 3, unet.multiple, unet.multiple)
    for layer in unet.down:
        maps = layer(maps)
    assert maps.shape[2:] == (1, 1)
    normalised = [any(isinstance(part, nn.BatchNorm2d) for part in layer.children()) for layer in unet.down]
    assert normalised == [False, *[True] * (depth - 2), False], "neither the first layer nor the bottleneck"


@pytest.mark.parametrize("size", [(16, 16), (32, 48)])
def test_output_has_the_size_of_the_input(size: tuple[int, int]) -> None:
    unet = UNet(1, 4, 16, 0.0).eval()
    translated = unet(torch.zeros(2, 1, *size))
    assert translated.shape == (2, 1, *size)
    assert translated.abs().max() <= 1


def test_a_batch_of_one_can_be_trained() -> None:
    unet = UNet(3, 4, 16, 0.5).train()
    assert torch.isfinite(unet(torch.rand(1, 3, 16, 16))).all()
