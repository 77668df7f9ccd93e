"""The restoration game: losses against formulas, updated networks, pretraining, preview and export."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss, softplus

from pipeline.errors import InputError
from pipeline.gans.base import GAN, Progress
from pipeline.gans.game.image_restoration import Restoration, feature_matching_loss
from pipeline.gans.networks.vgg import VGG19
from pipeline.gans.registry import ModelSettings, build
from tests.specs import image_spec

START, END = Progress(0, 0.0), Progress(9, 1.0)
BOTH = pytest.mark.parametrize("variant", ["srgan", "denoise"])


def small(variant: str, resolution: int = 16, channels: int = 3, **settings: Any) -> Restoration:
    """Build a small variant from a fixed seed."""
    torch.manual_seed(0)
    values = {
        "variant": variant,
        "generator_channels": 8,
        "blocks": 2,
        "kernel": 3,
        "discriminator_channels": 4,
    } | settings
    parsed: ModelSettings = TypeAdapter(ModelSettings).validate_python(values)
    gan = build(parsed, image_spec(resolution, channels))
    assert isinstance(gan, Restoration)
    return gan


def pairs(gan: Restoration, n: int = 4, resolution: int = 16) -> dict[str, Tensor]:
    """Return noise as inputs and targets, from a fixed seed."""
    rng = torch.Generator().manual_seed(1)
    channels, side = gan.shape
    return {
        "input": torch.rand(n, channels, side, side, generator=rng) * 2 - 1,
        "target": torch.rand(n, channels, resolution, resolution, generator=rng) * 2 - 1,
    }


@BOTH
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("r1", [0.0, 1.0])
def test_each_phase_updates_its_networks_only(
    variant: str, norm: str, r1: float, check_updates: Callable[[GAN, dict[str, Tensor]], None]
) -> None:
    gan = small(variant, generator_norm=norm, r1=r1, pretraining=0)
    assert [phase.name for phase in gan.phases()] == ["discriminator", "generator"]
    check_updates(gan, pairs(gan))
    pixel_only = small(variant, generator_norm=norm, pretraining=1)
    assert [phase.name for phase in pixel_only.phases()] == ["generator"]
    assert not hasattr(pixel_only, "discriminator")
    check_updates(pixel_only, pairs(pixel_only))


@pytest.mark.parametrize(("pixel", "distance"), [("l1", l1_loss), ("l2", mse_loss)])
def test_pretraining_uses_the_pixel_loss_alone(pixel: str, distance: Callable[[Tensor, Tensor], Tensor]) -> None:
    gan = small("srgan", pixel=pixel, pretraining=0.5)
    batch = pairs(gan)
    loss = gan.generator_loss(batch, Progress(5, 0.49), torch.Generator())
    torch.testing.assert_close(loss.total, distance(gan.generator(batch["input"]), batch["target"]))
    assert set(loss.terms) == {"loss_generator", "loss_pixel"}


def test_adversarial_training_against_the_formula() -> None:
    weights = {"pixel": 0.3, "perceptual": 2.0, "adversarial": 0.05}
    gan = small("srgan", pretraining=0.5, weights=weights).eval()
    batch = pairs(gan)
    loss = gan.generator_loss(batch, Progress(5, 0.5), torch.Generator())
    restored, discriminator = gan.generator(batch["input"]), gan.discriminator
    target = batch["target"]
    features = torch.stack(
        [l1_loss(a, b) for a, b in zip(discriminator.features(restored), discriminator.features(target), strict=True)]
    ).mean()
    expected = 0.3 * l1_loss(restored, target) + 2 * features + 0.05 * softplus(-discriminator(restored)).mean()
    torch.testing.assert_close(loss.total, expected)
    total = gan.discriminator_loss(batch, END, torch.Generator()).total
    torch.testing.assert_close(
        total, softplus(-discriminator(target)).mean() + softplus(discriminator(restored)).mean()
    )


def test_r1_against_the_formula() -> None:
    gan = small("srgan", pretraining=0, r1=3.0).eval()
    batch = pairs(gan)
    loss = gan.discriminator_loss({name: value.clone() for name, value in batch.items()}, END, torch.Generator())
    x = batch["target"].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(gan.discriminator(x).sum(), x)
    norm = gradient.square().sum(dim=(1, 2, 3)).mean()
    torch.testing.assert_close(loss.terms["r1"], norm)
    torch.testing.assert_close(loss.total, loss.terms["loss_discriminator"] + 1.5 * norm)


def test_feature_matching_averages_l1_over_the_layers() -> None:
    fake, real = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3)
    torch.testing.assert_close(
        feature_matching_loss([fake, 2 * fake], [real, real]), (l1_loss(fake, real) + l1_loss(2 * fake, real)) / 2
    )


def test_vgg_replaces_the_discriminators_features(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "vgg.pth"
    torch.save(VGG19().state_dict(), path)
    gan = small("srgan", 32, pretraining=0, vgg=str(path), weights={"pixel": 0, "perceptual": 1, "adversarial": 0})
    batch = pairs(gan, 2, 32)
    loss = gan.generator_loss(batch, END, torch.Generator())
    restored = gan.generator(batch["input"])
    torch.testing.assert_close(loss.total, l1_loss(gan.vgg[0](restored), gan.vgg[0](batch["target"])))
    assert float(loss.total) > 0
    loss.total.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in gan.generator.parameters())
    assert gan.distances(restored, batch["target"]) == {"perceptual": pytest.approx(float(loss.total.detach()))}
    assert small("srgan", 32).distances(restored, batch["target"]) == {}
    assert not any("vgg" in name for name in gan.state_dict()), "its weights are not saved with the model"
    with pytest.raises(InputError, match=r"model\.vgg: .*missing\.pth: no such file"):
        small("srgan", 32, pretraining=0, vgg="missing.pth").generator_loss(batch, END, torch.Generator())


@BOTH
def test_selection_metric_changes_after_pretraining(variant: str) -> None:
    gan = small(variant, pretraining=0.6)
    assert gan.selection_metric(Progress(0, 0.59)) == "rmse"
    assert gan.selection_metric(Progress(0, 0.6)) == "fid"
    assert small(variant, pretraining=1).selection_metric(END) == "rmse"
    assert gan.phases()[0].start == 0.6


@BOTH
def test_preview_shows_input_output_and_target(variant: str) -> None:
    gan = small(variant).eval()
    batch = pairs(gan, gan.preview_examples)
    sheet = gan.preview(64, torch.Generator(), batch)
    assert sheet.shape == (3 * gan.preview_examples, 3, 16, 16)
    torch.testing.assert_close(sheet[1::3], gan.sample(12, torch.Generator(), item=batch["input"]))
    torch.testing.assert_close(sheet[2::3], batch["target"])
    factor = 16 // gan.shape[1]
    torch.testing.assert_close(sheet[0::3][:, :, ::factor, ::factor], batch["input"])


@BOTH
@pytest.mark.parametrize("channels", [1, 3])
def test_onnx_at_several_sizes_and_batches(
    variant: str, channels: int, onnx_parity: Callable[[GAN, int], float]
) -> None:
    gan = small(variant, channels=channels, generator_norm="batch")
    (spec,) = gan.export()
    assert (list(spec.inputs), spec.multiple) == (["item"], 1)
    assert onnx_parity(gan, 0) < 1e-5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variant": "srgan", "scale": 3}, "2, 4 or 8"),
        ({"variant": "denoise", "noise": {"gaussian": None}}, "every kind of noise is null"),
        ({"variant": "denoise", "noise": {"gaussian": [50, 10]}}, "must be \\[minimum, maximum\\]"),
        ({"variant": "denoise", "noise": {"poisson": [0, 10]}}, "needs at least 1 photon"),
        ({"variant": "denoise", "noise": {"jpeg": [20, 100]}}, "1 to 95"),
        ({"variant": "srgan", "pretraining": 1.5}, "less than or equal to 1"),
    ],
)
def test_invalid_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(ModelSettings).validate_python(settings)
