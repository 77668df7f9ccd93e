"""DCGAN: shapes at every resolution, updated networks, losses against formulas, sampling and export."""

from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from pipeline.gans.base import Progress
from pipeline.gans.game.settings import Penalties
from pipeline.gans.registry import build
from pipeline.gans.variants.dcgan.dcgan import DCGAN
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from tests.specs import image_spec, to_uint8

START = Progress(0, 0.0)


def small(
    resolution: int = 16, channels: int = 1, norm: Literal["batch", "none"] = "none", **settings: object
) -> DCGAN:
    torch.manual_seed(0)
    values = {
        "latent": 8,
        "generator_channels": 4,
        "discriminator_channels": 4,
        "max_channels": 16,
        "discriminator_norm": norm,
    } | settings
    gan = build(DCGANSettings.model_validate(values), image_spec(resolution, channels))
    assert isinstance(gan, DCGAN)
    return gan


def images(n: int, resolution: int = 16, channels: int = 1) -> Tensor:
    return torch.rand(n, channels, resolution, resolution, generator=torch.Generator().manual_seed(1)) * 2 - 1


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(2)


@pytest.mark.parametrize("resolution", [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("architecture", ["strided", "residual"])
def test_shapes(resolution: int, channels: int, architecture: str) -> None:
    gan = small(resolution, channels, architecture=architecture)
    fake = gan.sample(3, rng())
    assert fake.shape == (3, channels, resolution, resolution)
    assert fake.dtype == torch.float32
    assert fake.abs().max() <= 1
    assert gan.discriminator(fake).shape == (3,)


@pytest.mark.parametrize("penalties", [Penalties(), Penalties(r1=1.0, r2=1.0), Penalties(r1=1.0, every=4)])
@pytest.mark.parametrize("architecture", ["strided", "residual"])
def test_each_phase_updates_its_networks_only(
    penalties: Penalties, architecture: str, check_updates: Callable[[DCGAN, dict[str, Tensor]], None]
) -> None:
    check_updates(small(penalties=penalties, architecture=architecture), {"item": images(6)})


def test_discriminator_loss_against_the_formula() -> None:
    """Relativistic loss with R1 and R2 on the same latents, in float64."""
    gan = small(objective="relativistic", penalties=Penalties(r1=2.0, r2=0.5))
    with torch.no_grad():
        for p in gan.discriminator.parameters():
            p.mul_(20)  # with the published initialisation logits and penalties are near zero
    loss = gan.discriminator_loss({"item": images(5)}, START, rng())

    gan = gan.double()
    fake = gan.generator(gan.sample_latents(5, rng()).double()).detach().requires_grad_()
    real = images(5).double().requires_grad_()

    def squared_gradient(x: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(gan.discriminator(x).sum(), x)
        return gradient.square().sum() / len(x)

    logits_real, logits_fake = gan.discriminator(real), gan.discriminator(fake)
    expected = (
        softplus(logits_fake - logits_real).mean() + 2.0 / 2 * squared_gradient(real) + 0.5 / 2 * squared_gradient(fake)
    )
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert loss.terms["r1"].item() == pytest.approx(squared_gradient(real).item(), rel=1e-5)
    assert loss.terms["d_accuracy"].item() == pytest.approx((logits_real > logits_fake).double().mean().item())


def test_lazy_penalty_keeps_its_average_strength() -> None:
    """An update of its own every 4 steps is four times as strong; Adam's rate and betas are corrected by 4/5."""

    def with_large_weights(penalties: Penalties) -> DCGAN:
        gan = small(penalties=penalties)
        for p in gan.discriminator.parameters():
            torch.nn.init.normal_(
                p, 0, 0.5, generator=torch.Generator().manual_seed(5)
            )  # with the published initialisation penalties are near zero
        return gan

    plain, eager, lazy = (
        with_large_weights(penalties) for penalties in (Penalties(), Penalties(r1=1.0), Penalties(r1=1.0, every=4))
    )
    batch = {"item": images(6)}
    none, eager_loss, lazy_loss = (
        gan.discriminator_loss(batch, START, rng()).total.item() for gan in (plain, eager, lazy)
    )
    assert eager_loss > none + 0.1
    assert lazy_loss == pytest.approx(none, rel=1e-6)
    regularisation = lazy.regularisation_loss(batch, START, rng()).total.item()
    assert regularisation == pytest.approx(4 * (eager_loss - none), rel=1e-4)
    phases = {phase.name: phase for phase in lazy.phases()}
    assert [phase.every for phase in lazy.phases()] == [1, 4, 1]
    assert phases["discriminator"].lr_scale == phases["regularisation"].beta_power == 4 / 5
    assert phases["generator"].lr_scale == 1
    assert [phase.name for phase in eager.phases()] == ["discriminator", "generator"]


def test_initialisation() -> None:
    gan = small(64, generator_channels=64, discriminator_channels=64, max_channels=512, norm="batch")
    for module in gan.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.weight.numel() > 10_000:
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
            assert abs(module.weight.mean().item()) < 0.001
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.mean().item() == pytest.approx(1.0, abs=0.01)
    types = [type(layer) for layer in gan.discriminator.trunk]
    assert types[1] is nn.LeakyReLU, "no batch normalisation on the discriminator's input layer"


def test_samples_depend_on_their_seed_only() -> None:
    gan = small().eval()
    torch.testing.assert_close(gan.sample(4, rng()), gan.sample(4, rng()), rtol=0, atol=0)
    assert not torch.equal(gan.sample(4, rng()), gan.sample(4, torch.Generator().manual_seed(3)))


def test_exported_graph_equals_sample() -> None:
    gan = small().eval()
    (spec,) = gan.export()
    assert spec.name == "generator"
    assert list(spec.inputs) == ["z"]
    z = torch.randn(5, 8, generator=rng())
    torch.testing.assert_close(spec.module(z), gan.sample(5, rng()), rtol=0, atol=0)


def test_to_uint8_rounds_as_evaluation_does() -> None:
    x = torch.tensor([-5.0, -1.0, -0.999, 0.0, 0.9999, 1.0, 7.0, float("nan")]).view(1, 1, 2, 4)
    assert to_uint8(x).reshape(-1).tolist() == [0, 0, 0, 128, 255, 255, 255, 0]
    grid = torch.arange(256, dtype=torch.float32).view(1, 1, 16, 16) / 127.5 - 1
    assert to_uint8(grid).reshape(-1).tolist() == list(range(256)), "stored pixels survive the round trip"
