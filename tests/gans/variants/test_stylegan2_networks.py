"""StyleGAN2's networks: each part against a formula in float64, and second derivatives."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal
import torch
from torch import nn
from torch.nn.functional import leaky_relu

from pipeline.gans.variants.stylegan2.settings import StyleGAN2Settings
from pipeline.gans.variants.stylegan2.stylegan2_layers import (
    EqualisedConv,
    EqualisedLinear,
    LowPassFilter,
    ModulatedConv,
    Upsample,
)
from pipeline.gans.variants.stylegan2.stylegan2_networks import (
    Discriminator,
    MappingNetwork,
    StyledConv,
    SynthesisNetwork,
)
from tests.specs import image_spec


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(2)


def test_widths_double_towards_4x4() -> None:
    synthesis = SynthesisNetwork(
        StyleGAN2Settings(style_width=8, generator_channels=4, max_channels=16), image_spec(32, 1)
    )
    assert [conv.get_parameter("bias").numel() for conv in synthesis.convs] == [16, 16, 16, 8, 8, 4, 4]
    assert synthesis.start.shape == (1, 16, 4, 4)


def test_mapping_network_against_the_formula() -> None:
    """z is normalised; weights from N(0, 1 / 0.01^2) are scaled by 0.01 / sqrt(inputs), which reduces Adam's rate."""
    torch.manual_seed(0)
    mapping = MappingNetwork(500, 400, 2).double()
    z = torch.randn(3, 500, generator=rng(), dtype=torch.float64)
    first, second = mapping.layers[0], mapping.layers[2]
    assert isinstance(first, EqualisedLinear)
    assert isinstance(second, EqualisedLinear)
    assert first.weight.std().item() == pytest.approx(100, rel=0.02)
    nn.init.normal_(first.bias, std=50)
    x = z / (z.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    for layer, inputs in ((first, 500), (second, 400)):
        x = leaky_relu(x @ (layer.weight * 0.01 / math.sqrt(inputs)).T + 0.01 * layer.bias, 0.2) * math.sqrt(2)
    torch.testing.assert_close(mapping(z), x)
    torch.testing.assert_close(mapping(7 * z), x, rtol=1e-6, atol=1e-6)


def test_mapping_network_takes_a_normalised_embedding_of_the_label() -> None:
    """As in StyleGAN2-ADA: [normalised z, normalised embedding] enters the first layer."""
    torch.manual_seed(0)
    mapping, plain = MappingNetwork(5, 4, 1, classes=3).double(), MappingNetwork(9, 4, 1).double()
    plain.layers.load_state_dict(mapping.layers.state_dict())
    z, label = torch.randn(3, 5, generator=rng(), dtype=torch.float64), torch.tensor([2, 0, 2])
    assert mapping.embedding is not None
    parts = [x / (x.square().mean(dim=1, keepdim=True) + 1e-8).sqrt() for x in (z, mapping.embedding.weight[label])]
    torch.testing.assert_close(mapping(z, label), plain.layers(torch.cat(parts, dim=1)))
    mapping.embedding.weight.data *= 7
    torch.testing.assert_close(mapping(z, label), plain.layers(torch.cat(parts, dim=1)), rtol=1e-6, atol=1e-6)


Array = npt.NDArray[np.float64]
TAPS = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


def upfirdn(image: Array, kernels: list[Array], first: int, size: int, up: int = 1, down: int = 1) -> Array:
    """Insert zeros between the pixels, convolve with all kernels, crop to `size` from `first`, keep every `down`-th."""
    side = len(image)
    result = np.zeros((side * up - up + 1,) * 2)
    result[::up, ::up] = image
    for kernel in kernels:
        result = scipy.signal.convolve2d(result, kernel)
    return result[first : first + size, first : first + size][::down, ::down]


@pytest.mark.parametrize("side", [4, 5, 8])
def test_resampling_against_a_direct_filter(side: int) -> None:
    x = torch.randn(2, 3, side, side, generator=rng(), dtype=torch.float64)
    for module, expected_side, options in (
        (LowPassFilter(padding=2), side + 1, {"first": 1}),
        (LowPassFilter(gain=4.0, padding=1), side - 1, {"first": 2}),
        (Upsample(), 2 * side, {"first": 1, "up": 2}),
    ):
        found = module.double()(x)
        assert found.shape == (2, 3, expected_side, expected_side)
        gain = module.taps.sum().item()
        for plane, result in zip(x.flatten(0, 1).numpy(), found.flatten(0, 1).numpy(), strict=True):
            np.testing.assert_allclose(result, upfirdn(plane, [gain * TAPS], size=expected_side, **options), atol=1e-12)
    ones = torch.ones(1, 1, 8, 8, dtype=torch.float64)
    assert Upsample().double()(ones)[0, 0, 2:-2, 2:-2].numpy() == pytest.approx(1), (
        "constants are preserved away from the borders"
    )


@pytest.mark.parametrize("kernel", [1, 3])
def test_downsampling_convolution_against_a_direct_filter(kernel: int) -> None:
    torch.manual_seed(0)
    layer = EqualisedConv(2, 3, kernel, down=True).double()
    x = torch.randn(1, 2, 8, 8, dtype=torch.float64)
    assert layer.bias is not None
    nn.init.normal_(layer.bias)
    weight = layer.weight.detach().numpy()[:, :, ::-1, ::-1] / math.sqrt(2 * kernel**2)
    found = layer(x)[0].detach().numpy()
    assert found.shape == (3, 4, 4)
    for out, result in enumerate(found):
        planes = [
            upfirdn(x[0, k].numpy(), [TAPS, weight[out, k]], first=2 + kernel // 2, size=8, down=2) for k in range(2)
        ]
        np.testing.assert_allclose(result, planes[0] + planes[1] + layer.bias[out].item(), atol=1e-12)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_modulation_against_the_direct_formula(up: bool, demodulate: bool) -> None:
    """Weights are scaled per image (eq. 1 and 3); `up` inserts zeros between the pixels and filters."""
    torch.manual_seed(0)
    layer = ModulatedConv(5, 7, 3, 4, up=up, demodulate=demodulate).double()
    nn.init.normal_(layer.affine.bias)
    x, w = torch.randn(3, 5, 6, 6, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
    found = layer(x, w).detach().numpy()
    assert found.shape == (3, 7, 12 if up else 6, 12 if up else 6)
    styles = w @ layer.affine.weight.T / 2 + layer.affine.bias
    for image, style, result in zip(x.numpy(), styles, found, strict=True):
        weight = layer.weight / math.sqrt(5 * 9) * style[None, :, None, None]
        if demodulate:
            weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        kernels = weight.detach().numpy()
        for out in range(7):
            if up:
                planes = [upfirdn(image[k], [kernels[out, k], 4 * TAPS], first=2, size=12, up=2) for k in range(5)]
            else:
                planes = [upfirdn(image[k], [kernels[out, k, ::-1, ::-1]], first=1, size=6) for k in range(5)]
            np.testing.assert_allclose(result[out], sum(planes), atol=1e-12)


def test_demodulation_gives_unit_variance() -> None:
    """The purpose of demodulation (section 2.2): the variance does not depend on the style."""
    torch.manual_seed(0)
    layer = ModulatedConv(64, 64, 3, 16)
    x, w = torch.randn(8, 64, 16, 16), 5 * torch.randn(8, 16)
    inside = layer(x, w)[:, :, 1:-1, 1:-1]
    assert inside.std(dim=(1, 2, 3)).tolist() == pytest.approx([1.0] * 8, rel=0.05)


@pytest.mark.parametrize("up", [False, True])
def test_layers_are_twice_differentiable(up: bool) -> None:
    torch.manual_seed(0)
    modulated = ModulatedConv(2, 2, 3, 3, up=up).double()
    x, w = (
        torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True),
        torch.randn(1, 3, dtype=torch.float64, requires_grad=True),
    )
    assert torch.autograd.gradgradcheck(modulated, (x, w))
    assert torch.autograd.gradgradcheck(Upsample().double(), (x,))
    even = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(EqualisedConv(2, 2, 3, down=True).double(), (even,))


def test_noise_is_shared_by_all_channels_and_scaled() -> None:
    torch.manual_seed(0)
    layer = StyledConv(5, 7, 3, 4)
    nn.init.constant_(layer.strength, 0.3)
    x, w, noise = torch.randn(2, 5, 4, 4), torch.randn(2, 3), torch.randn(2, 1, 4, 4)
    torch.testing.assert_close(layer(x, w, noise), leaky_relu(layer.conv(x, w) + 0.3 * noise, 0.2) * math.sqrt(2))


@pytest.mark.parametrize("group", [0, 4])
def test_minibatch_std_compares_the_images_of_a_batch(group: int) -> None:
    torch.manual_seed(0)
    settings = StyleGAN2Settings.model_validate(
        {"discriminator_channels": 4, "max_channels": 8, "stabilisers": {"minibatch_std": group}}
    )
    discriminator = Discriminator(settings, image_spec(8, 1))
    images = torch.rand(4, 1, 8, 8, generator=rng()) * 2 - 1
    single, mixed = discriminator(images[:1].expand(4, -1, -1, -1))[0], discriminator(images)[0]
    assert torch.isclose(single, mixed).item() == (group == 0)
