"""CycleGAN's generator: sizes, range, and that it knows no batch."""

import pytest
import torch

from pipeline.gans.networks.resnet_generator import SIZE_MULTIPLE, ResnetGenerator


@pytest.mark.parametrize("size", [(SIZE_MULTIPLE, SIZE_MULTIPLE), (32, 40)])
def test_the_size_is_kept(size: tuple[int, int]) -> None:
    made = ResnetGenerator(3, 4, 2)(torch.rand(2, 3, *size) * 2 - 1)
    assert made.shape == (2, 3, *size)
    assert made.abs().max() <= 1


def test_a_picture_does_not_depend_on_the_batch_it_is_in() -> None:
    torch.manual_seed(0)
    network = ResnetGenerator(3, 4, 2).train()
    images = torch.rand(4, 3, 16, 16) * 2 - 1
    torch.testing.assert_close(network(images)[2:3], network(images[2:3]), rtol=0, atol=1e-5)
