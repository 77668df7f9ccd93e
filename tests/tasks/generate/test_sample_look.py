"""Health checks of the task "generate"."""

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.arrays import UInt8Array
from pipeline.gans.registry import build
from pipeline.gans.variants.cgan.settings import CGANSettings
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.gans.variants.sgan.settings import SGANSettings
from pipeline.tasks.generate.sample_look import SampleLook
from tests.specs import image_spec

SMALL = {"latent": 4, "generator_channels": 4, "discriminator_channels": 4, "max_channels": 4}
IMAGE = image_spec(8, 1, 3)


def batch(seed: int, n: int = 40) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {"item": torch.rand(n, 1, 8, 8, generator=rng) * 2 - 1, "label": torch.arange(n) % 3}


@pytest.mark.parametrize(
    "settings",
    [
        DCGANSettings.model_validate(SMALL),
        DCGANSettings.model_validate(
            {**SMALL, "discriminator_norm": "none", "stabilisers": {"packing": 2, "spectral_norm": True}}
        ),
        CGANSettings.model_validate(SMALL),
        SGANSettings.model_validate(SMALL),
    ],
)
def test_a_look_changes_no_state_and_is_reproducible(settings: DCGANSettings) -> None:
    """Weights, buffers, training modes and the random state are unchanged."""
    torch.manual_seed(0)
    gan = build(settings, IMAGE).train()
    gan.get_submodule("generator").eval()  # like averaged networks
    before, drawn = {name: value.clone() for name, value in gan.state_dict().items()}, torch.get_rng_state()
    seen: list[UInt8Array] = []

    def measure(pixels: UInt8Array) -> dict[str, float]:
        seen.append(pixels)
        return {"fid": 1.0}

    look = SampleLook(measure, IMAGE, batch(0), batch(1))
    first, second = look.look(gan, 50, 0, 16), look.look(gan, 50, 0, 16)
    assert first == second
    assert seen[0].shape == (50, 8, 8, 1)
    assert (seen[0] == seen[1]).all()
    assert len(np.unique(seen[0].reshape(50, -1), axis=0)) > 40, "latents differ within a look"
    assert all(torch.equal(value, before[name]) for name, value in gan.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(module.training for module in gan.get_submodule("discriminator").modules())
    assert "overfitting" in first


class Scorer:
    """Scores images by their first pixel."""

    condition = ""

    def score(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        return images[:, 0, 0, 0]


def level(value: float, spread: float = 0.01) -> Tensor:
    return value + spread * torch.randn(200, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("held", "expected"), [(1.0, 0.0), (0.0, 0.5), (-1.0, 1.0), (0.6, 0.2)])
def test_overfitting_is_r_v_of_the_paper(held: float, expected: float) -> None:
    look = SampleLook(lambda _: {}, IMAGE, {"item": level(1.0)}, {"item": level(held)})
    found = look.overfitting(Scorer(), level(-1.0), None, 64)  # type: ignore[arg-type]
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_discriminator_without_discrimination_does_not_overfit() -> None:
    look = SampleLook(lambda _: {}, IMAGE, {"item": level(0.001, 1.0)}, {"item": level(-0.5, 1.0)})
    assert look.overfitting(Scorer(), level(0.0, 1.0), None, 64) == 0.0  # type: ignore[arg-type]


def test_no_forward_pass_has_more_images_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scoring in parts changes no number, and each part has its own labels."""
    gan = build(CGANSettings.model_validate(SMALL), IMAGE).eval()
    score, sizes = gan.score, []

    def watched(images: Tensor, label: Tensor | None = None) -> Tensor | None:
        assert label is not None
        sizes.append((len(images), len(label)))
        return score(images, label)

    monkeypatch.setattr(gan, "score", watched)
    look = SampleLook(lambda _: {}, IMAGE, batch(0), batch(1))
    fake, label = batch(2, 16)["item"], batch(2, 16)["label"]
    whole, parts = (look.overfitting(gan, fake, label, size) for size in (64, 16))
    assert whole == pytest.approx(parts, rel=1e-4)
    assert sizes == [(40, 40), (40, 40), (16, 16), *[(16, 16), (16, 16), (8, 8)] * 2, (16, 16)]


def test_overfitting_needs_held_out_images() -> None:
    gan = build(DCGANSettings.model_validate(SMALL), IMAGE)
    assert SampleLook(lambda _: {"fid": 2.0}, IMAGE, batch(0), None).look(gan, 16, 0, 16) == {"fid": 2.0}


def test_nonfinite_images_have_the_distance_nan() -> None:
    gan = build(DCGANSettings.model_validate(SMALL), IMAGE)
    with torch.no_grad():
        next(iter(gan.get_submodule("generator").parameters())).fill_(float("nan"))
    assert np.isnan(SampleLook(lambda _: {"fid": 1.0}, IMAGE).look(gan, 16, 0, 16)["fid"])
