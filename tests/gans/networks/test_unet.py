"""The U-Net's shapes: the middle is one pixel, up to 256 pixels."""

import pytest
import torch
from torch import nn

from pipeline.gans.networks.unet import UNet


@pytest.mark.parametrize(("resolution", "depth"), [(16, 4), (64, 6), (256, 8), (512, 8)])
def test_it_halves_to_one_pixel(resolution: int, depth: int) -> None:
    unet = UNet(3, 4, resolution, 0.5)
    assert (len(unet.down), len(unet.up), unet.multiple) == (depth, depth, 2**depth)
    shown = torch.zeros(1, 3, unet.multiple, unet.multiple)
    for layer in unet.down:
        shown = layer(shown)
    assert shown.shape[2:] == (1, 1)
    normalised = [any(isinstance(part, nn.BatchNorm2d) for part in layer.children()) for layer in unet.down]
    assert normalised == [False, *[True] * (depth - 2), False], "neither the first nor the middle"


@pytest.mark.parametrize("size", [(16, 16), (32, 48)])
def test_any_multiple_in_the_same_size_out(size: tuple[int, int]) -> None:
    unet = UNet(1, 4, 16, 0.0).eval()
    made = unet(torch.zeros(2, 1, *size))
    assert made.shape == (2, 1, *size)
    assert made.abs().max() <= 1


def test_a_batch_of_one_can_be_trained() -> None:
    unet = UNet(3, 4, 16, 0.5).train()
    assert torch.isfinite(unet(torch.rand(1, 3, 16, 16))).all()
