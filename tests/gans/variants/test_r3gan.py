"""R3GAN: shapes, updated networks, initialisation, blocks and losses against formulas, export, learning."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn.functional import leaky_relu, softplus

from pipeline.gans.base import GAN, Progress
from pipeline.gans.registry import build
from pipeline.gans.variants.r3gan.r3gan import R3GAN, Resample, ResidualBlock
from pipeline.gans.variants.r3gan.settings import R3GANSettings
from pipeline.tasks.generate.evaluator import Evaluation
from tests.specs import image_spec

Batches = Callable[[int, int, int, int], dict[str, Tensor]]


def small(resolution: int = 16, channels: int = 1, classes: int = 3, **settings: object) -> R3GAN:
    torch.manual_seed(0)
    values = {
        "latent": 8,
        "generator_channels": 8,
        "discriminator_channels": 8,
        "max_channels": 16,
        "blocks": 1,
    } | settings
    gan = build(R3GANSettings.model_validate(values), image_spec(resolution, channels, classes))
    assert isinstance(gan, R3GAN)
    return gan


def with_nonzero_weights(gan: R3GAN) -> R3GAN:
    """Replace convolutions and biases that are initialised with zero by noise."""
    for p in gan.parameters():
        if not p.any():
            torch.nn.init.normal_(p, 0, 0.3, generator=torch.Generator().manual_seed(5))
    return gan


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(2)


@pytest.mark.parametrize("resolution", [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("conditional", [False, True])
def test_shapes(resolution: int, channels: int, conditional: bool) -> None:
    gan = small(resolution, channels, conditional=conditional).eval()
    fake = gan.sample(3, rng())
    assert fake.shape == (3, channels, resolution, resolution)
    assert fake.abs().max() <= 1
    label = (torch.arange(3),) if conditional else ()
    assert gan.discriminator(fake, *label).shape == (3,)
    assert gan.trunk()(fake).shape == (3, 16)
    assert gan.view.name == ("labelled" if conditional else "unlabelled")


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("every", [1, 4])
def test_each_phase_updates_its_networks_only(
    conditional: bool, every: int, check_updates: Callable[[GAN, dict[str, Tensor]], None], batch: Batches
) -> None:
    check_updates(
        with_nonzero_weights(small(conditional=conditional, penalties={"r1": 1, "r2": 1, "every": every})),
        batch(6, 16, 1, 3),
    )


def test_initialisation() -> None:
    """Weights have variance gain^2 / fan-in with Fixup's factor in the blocks; a block starts as the identity."""
    gan = small(32, generator_channels=256, max_channels=256, blocks=2)
    depth = 2 * 4
    first: Any = gan.generator.first
    block = first[0]
    wide, _, grouped, _, last = block.layers
    assert wide.weight.std().item() == pytest.approx(math.sqrt(2 / 1.04) * depth**-0.25 / math.sqrt(256), rel=0.02)
    assert grouped.groups == 2 * 256 / 16
    assert grouped.weight.std().item() == pytest.approx(
        math.sqrt(2 / 1.04) * depth**-0.25 / math.sqrt(16 * 9), rel=0.02
    )
    assert not last.weight.any()
    x = torch.randn(2, 256, 4, 4)
    assert torch.equal(block(x), x)
    biases = [name for name, _ in gan.named_parameters() if name.endswith("bias")]
    assert len(biases) == 2 * 2 * depth, "two activations per block, and no other bias"


def test_block_against_the_formula() -> None:
    """Groups of sixteen channels, in float64."""
    torch.manual_seed(0)
    block = ResidualBlock(16, 4).double()
    for p in block.parameters():
        torch.nn.init.normal_(p)
    x = torch.randn(2, 16, 5, 5, dtype=torch.float64)
    layers: Any = block.layers
    wide, first, grouped, second, last = layers
    y = leaky_relu(torch.einsum("oi,nihw->nohw", wide.weight[:, :, 0, 0], x) + first.bias.view(-1, 1, 1), 0.2)
    parts = [
        torch.nn.functional.conv2d(y[:, g * 16 : g * 16 + 16], grouped.weight[g * 16 : g * 16 + 16], padding=1)
        for g in range(2)
    ]
    y = leaky_relu(torch.cat(parts, dim=1) + second.bias.view(-1, 1, 1), 0.2)
    expected = x + torch.einsum("oi,nihw->nohw", last.weight[:, :, 0, 0], y)
    torch.testing.assert_close(block(x), expected)


def test_resampling_against_scipy() -> None:
    """Up: zeros between the pixels, then [1,3,3,1]/4 on each axis; down: [1,3,3,1]/8, then every second pixel."""
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 6))
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
    stuffed = np.zeros((2, 3, 13, 13))
    stuffed[:, :, 1::2, 1::2] = x
    up = np.stack(
        [[scipy.signal.convolve2d(image, 4 * taps, mode="full")[2:-2, 2:-2] for image in one] for one in stuffed]
    )
    result = Resample(3, 3, up=True).double()(torch.from_numpy(x)).numpy()
    assert result.shape == (2, 3, 12, 12)
    np.testing.assert_allclose(result, up[:, :, :12, :12], atol=1e-12)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    down = np.stack([[scipy.signal.convolve2d(image, taps, mode="valid")[::2, ::2] for image in one] for one in padded])
    np.testing.assert_allclose(Resample(3, 3, up=False).double()(torch.from_numpy(x)).numpy(), down, atol=1e-12)
    constant = torch.full((1, 4, 8, 8), 3.0)
    assert Resample(4, 4, up=True)(constant)[0, 0, 2:-2, 2:-2].numpy() == pytest.approx(3.0), "constants are preserved"


def test_losses_against_the_formulas() -> None:
    """Both losses (eq. 1 and 2) with gamma halfway along its schedule, in float64."""
    gan = with_nonzero_weights(small(penalties={"r1": {"start": 2.0, "end": 1.0}, "r2": {"start": 2.0, "end": 1.0}}))
    gamma = 1.5
    image = torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    discriminator_loss = gan.discriminator_loss({"item": image.clone()}, Progress(7, 0.5), rng())
    generator_loss = gan.generator_loss({"item": image.clone()}, Progress(7, 0.5), rng())

    z = gan.sample_latents(5, rng()).double()
    gan = gan.double()
    x, y = image.double().requires_grad_(), gan.generator(z).detach().requires_grad_()

    def squared_gradient(points: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(gan.discriminator(points).sum(), points)
        return gradient.square().sum() / len(points)

    difference = gan.discriminator(x) - gan.discriminator(y)
    expected = softplus(-difference).mean() + gamma / 2 * (squared_gradient(x) + squared_gradient(y))
    assert discriminator_loss.total.item() == pytest.approx(expected.item(), rel=1e-4)
    assert generator_loss.total.item() == pytest.approx(softplus(difference).mean().item(), rel=1e-4)


def test_conditional_logit_against_the_formula() -> None:
    gan = with_nonzero_weights(small(conditional=True)).eval()
    x, label = torch.randn(4, 1, 16, 16, generator=rng()), torch.tensor([0, 2, 1, 2])
    network = gan.discriminator
    expected = (network.head(network.trunk(x)) * network.embedding.weight.T[label]).sum(dim=1)
    torch.testing.assert_close(network(x, label), expected)


@pytest.mark.parametrize("conditional", [False, True])
def test_onnx(conditional: bool, onnx_parity: Callable[[GAN, int], float]) -> None:
    assert onnx_parity(with_nonzero_weights(small(conditional=conditional)), 3) < 1e-5


def test_labels_condition_samples() -> None:
    gan = small(conditional=True).eval()
    same, other = (gan.sample(2, rng(), label=torch.tensor(labels)) for labels in ([0, 1], [0, 2]))
    assert torch.equal(same[0], other[0])
    assert not torch.equal(same[1], other[1])


def test_mixed_precision_keeps_the_first_stage_in_32_bits() -> None:
    gan = with_nonzero_weights(small())
    with torch.autocast("cpu", torch.bfloat16):
        assert gan.trunk()(torch.randn(2, 1, 16, 16)).dtype == torch.float32
        assert torch.isfinite(
            gan.discriminator_loss({"item": torch.randn(4, 1, 16, 16)}, Progress(0, 0.0), rng()).total
        )


def test_invalid_settings() -> None:
    with pytest.raises(ValidationError, match="multiple of 8"):
        R3GANSettings.model_validate({"generator_channels": 12})
    with pytest.raises(ValidationError, match="a pack of images has no single label"):
        R3GANSettings.model_validate({"conditional": True, "stabilisers": {"packing": 2}})


@pytest.mark.slow
def test_it_learns_the_digits(learn: Callable[..., tuple[Evaluation, Any]]) -> None:
    settings = R3GANSettings.model_validate(
        {
            "latent": 32,
            "generator_channels": 32,
            "discriminator_channels": 32,
            "max_channels": 32,
            "blocks": 1,
            "penalties": {"r1": 1, "r2": 1},
        }
    )
    rate = {"start": 5e-3, "end": 5e-4}
    evaluation, _ = learn(
        settings,
        total_images=30_000,
        batch_size=32,
        beta1=0.0,
        learning_rate={"generator": rate, "discriminator": rate},
    )
    assert evaluation.metrics["modes_covered"] == 10
    assert evaluation.metrics["fid_ratio"] < 8
    assert evaluation.metrics["duplicate_rate"] == 0
