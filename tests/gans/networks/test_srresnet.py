"""SRResNet: shapes, initial output, layers against formulas."""

import pytest
import torch
from torch.nn.functional import interpolate, leaky_relu, pixel_shuffle, prelu

from pipeline.gans.networks.srresnet import Discriminator, Generator
from pipeline.gans.variants.srgan.settings import SRGANSettings

SMALL = SRGANSettings(generator_channels=8, blocks=2, discriminator_channels=4)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_shapes(scale: int, norm: str, channels: int) -> None:
    generator = Generator(SMALL.model_copy(update={"generator_norm": norm}), channels, scale)
    for height, width in ((8, 8), (5, 13)):
        assert generator(torch.zeros(2, channels, height, width)).shape == (2, channels, height * scale, width * scale)


@pytest.mark.parametrize("resolution", [8, 16, 64, 128])
def test_discriminator_takes_any_resolution(resolution: int) -> None:
    discriminator = Discriminator(SMALL, 3, resolution)
    images = torch.randn(3, 3, resolution, resolution)
    assert discriminator(images).shape == (3,)
    maps = discriminator.features(images)
    assert [one.shape[1] for one in maps] == [4, 4, 8, 8, 16, 16, 32, 32]
    torch.testing.assert_close(
        discriminator.eval().logits_from_features(discriminator.features(images)[-1]), discriminator(images)
    )


def test_number_of_parameters_is_the_published_one() -> None:
    """16 blocks of 64 channels have 1.5 million parameters."""
    generator = Generator(SRGANSettings(generator_norm="batch"), 3, 4)
    assert sum(one.numel() for one in generator.parameters()) == pytest.approx(1.55e6, rel=0.01)


def test_initial_output_is_close_to_the_upsampled_input() -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 3, 16, 16) * 2 - 1
    restored = Generator(SRGANSettings(), 3, 4)(images)
    upsampled = interpolate(images, scale_factor=4.0, mode="bilinear")
    assert float((restored - upsampled).detach().abs().mean()) < 0.2


def test_generator_against_the_formula() -> None:
    torch.manual_seed(1)
    settings = SRGANSettings(generator_channels=4, blocks=1, kernel=3)
    generator = Generator(settings, 1, 2)
    x = torch.randn(1, 1, 6, 7)
    weights = dict(generator.named_parameters())

    def conv(value: torch.Tensor, name: str) -> torch.Tensor:
        return torch.nn.functional.conv2d(value, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)

    head = prelu(conv(x, "head.0"), weights["head.1.weight"])
    block = head + conv(prelu(conv(head, "body.0.layers.0"), weights["body.0.layers.1.weight"]), "body.0.layers.2")
    body = head + conv(block, "body.1")
    large = prelu(pixel_shuffle(conv(body, "enlarge.0"), 2), weights["enlarge.2.weight"])
    expected = interpolate(x, scale_factor=2.0, mode="bilinear") + conv(large, "tail")
    torch.testing.assert_close(generator(x), expected)


def test_discriminator_normalises_neither_its_first_layer_nor_with_r1() -> None:
    discriminator = Discriminator(SMALL, 1, 16)
    x = torch.randn(2, 1, 16, 16)
    first = discriminator.stages[0][0]  # type: ignore[index]
    torch.testing.assert_close(discriminator.features(x)[0], leaky_relu(first(x), 0.2))
    assert not any(
        isinstance(one, torch.nn.BatchNorm2d)
        for one in Discriminator(SMALL.model_copy(update={"r1": 1.0}), 1, 16).modules()
    )
