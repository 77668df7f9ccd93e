"""The vanilla GAN: shapes, updated networks, losses against formulas, export, learning."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from pipeline.gans.base import GAN, Progress
from pipeline.gans.registry import build
from pipeline.gans.variants.vanilla.settings import VanillaSettings
from pipeline.gans.variants.vanilla.vanilla import Vanilla
from pipeline.tasks.generate.evaluator import Evaluation
from tests.specs import image_spec

START = Progress(0, 0.0)


def small(resolution: int = 8, channels: int = 1, **settings: object) -> Vanilla:
    torch.manual_seed(0)
    gan = build(
        VanillaSettings.model_validate({"latent": 6, "hidden": [16, 32]} | settings), image_spec(resolution, channels)
    )
    assert isinstance(gan, Vanilla)
    return gan


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(2)


@pytest.mark.parametrize("resolution", [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(resolution: int, channels: int) -> None:
    gan = small(resolution, channels)
    fake = gan.sample(3, rng())
    assert fake.shape == (3, channels, resolution, resolution)
    assert fake.abs().max() <= 1
    assert gan.discriminator(fake).shape == (3,)
    assert gan.trunk()(fake).shape == (3, 16)


def test_each_phase_updates_its_networks_only(
    check_updates: Callable[[GAN, dict[str, Tensor]], None], batch: Callable[[int, int, int, int], dict[str, Tensor]]
) -> None:
    check_updates(small(), batch(16, 8, 1, 0))


@pytest.mark.parametrize("objective", ["minimax", "nonsaturating"])
def test_losses_against_the_formulas(objective: Literal["minimax", "nonsaturating"]) -> None:
    """Goodfellow 2014, eq. 1, with probabilities and logarithms, in float64."""
    gan = small(objective=objective, dropout=0.0)
    image = torch.rand(5, 1, 8, 8, generator=rng()) * 2 - 1
    discriminator_loss = gan.discriminator_loss({"item": image.clone()}, START, rng()).total.item()
    generator_loss = gan.generator_loss({"item": image.clone()}, START, rng()).total.item()
    z = gan.sample_latents(5, rng()).double()
    gan = gan.double()
    real, fake = torch.sigmoid(gan.discriminator(image.double())), torch.sigmoid(gan.discriminator(gan.generator(z)))
    assert discriminator_loss == pytest.approx(-(real.log().mean() + (1 - fake).log().mean()).item(), rel=1e-5)
    expected = (1 - fake).log().mean() if objective == "minimax" else -fake.log().mean()
    assert generator_loss == pytest.approx(expected.item(), rel=1e-5)


def test_only_the_discriminator_has_dropout() -> None:
    gan = small(dropout=0.5)
    x = torch.randn(8, 1, 8, 8)
    assert not torch.equal(gan.discriminator(x), gan.discriminator(x))
    assert torch.equal(gan.sample(3, rng()), gan.sample(3, rng()))
    gan.eval()
    assert torch.equal(gan.discriminator(x), gan.discriminator(x))


def test_onnx(onnx_parity: Callable[[GAN, int], float]) -> None:
    assert onnx_parity(small(16, 3), 0) < 1e-5


@pytest.mark.slow
def test_it_learns_the_digits(learn: Callable[..., tuple[Evaluation, Any]]) -> None:
    rate = {"start": 1e-3, "end": 1e-4}
    evaluation, _ = learn(
        VanillaSettings(latent=32, hidden=(128, 256)),
        total_images=80_000,
        learning_rate={"generator": rate, "discriminator": rate},
    )
    assert evaluation.metrics["modes_covered"] >= 9
    assert evaluation.metrics["fid_ratio"] < 8
    assert evaluation.metrics["duplicate_rate"] < 0.01
