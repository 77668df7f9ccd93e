"""CycleGAN's generator: sizes, value range, independence of the images of a batch."""

import pytest
import torch

from pipeline.gans.networks.resnet_generator import SIZE_MULTIPLE, ResnetGenerator


@pytest.mark.parametrize("size", [(SIZE_MULTIPLE, SIZE_MULTIPLE), (32, 40)])
def test_output_has_the_size_of_the_input(size: tuple[int, int]) -> None:
    translated = ResnetGenerator(3, 4, 2)(torch.rand(2, 3, *size) * 2 - 1)
    assert translated.shape == (2, 3, *size)
    assert translated.abs().max() <= 1


def test_output_does_not_depend_on_the_rest_of_the_batch() -> None:
    torch.manual_seed(0)
    network = ResnetGenerator(3, 4, 2).train()
    images = torch.rand(4, 3, 16, 16) * 2 - 1
    torch.testing.assert_close(network(images)[2:3], network(images[2:3]), rtol=0, atol=1e-5)
