"""Inversion: linear generators with a known answer, labels, independence of the batch, and the networks of variants."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.gans.latents import Invertible
from pipeline.gans.registry import build
from pipeline.gans.variants.cgan.settings import CGANSettings
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.gans.variants.stylegan2.settings import StyleGAN2Settings
from pipeline.training.inversion import Search, clip_towards, difference, invert, psnr
from tests.specs import image_spec

SMALL: dict[str, Any] = {"latent": 8, "generator_channels": 8, "discriminator_channels": 4, "max_channels": 16}
QUICK = Search(samples=200, starts=8, steps=200, prior=0.0)


class Linear:
    """Images A z + b[label] with an invertible A, [n, 1, 2, 2]."""

    latent, classes, condition = 4, 3, "label"

    def __init__(self) -> None:
        rng = torch.Generator().manual_seed(4)
        self.matrix = 0.1 * torch.linalg.qr(torch.randn(4, 4, generator=rng))[0]
        self.offsets = torch.tensor([[0.5, 0.0, 0.0, 0.0], [0.0, -0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]])

    def encode(self, z: Tensor, label: Tensor) -> Tensor:
        return z

    def render(self, latents: Tensor, label: Tensor) -> Tensor:
        images: Tensor = (latents @ self.matrix.T + self.offsets[label]).reshape(-1, 1, 2, 2)
        return images


def quiet(steps: range, label: str) -> range:
    return steps


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_linear_generator_is_inverted() -> None:
    """The latent and the label of each item are found; a strong prior pulls latents to their mean."""
    gan = Linear()
    z, label = torch.randn(6, 4, generator=rng()), torch.tensor([0, 1, 2, 2, 1, 0])
    targets = gan.render(z, label)
    found = invert(gan, targets, None, Search(samples=600, prior=0.0), rng(), quiet)
    assert torch.equal(found.labels, label)
    torch.testing.assert_close(found.latents, z, atol=0.02, rtol=0)
    torch.testing.assert_close(found.images, targets, atol=2e-3, rtol=0)
    pulled = invert(gan, targets, None, Search(samples=600, prior=10.0), rng(), quiet)
    assert pulled.latents.norm() < 0.2 * found.latents.norm()


def test_a_given_label_is_kept() -> None:
    gan = Linear()
    targets = gan.render(torch.zeros(1, 4), torch.tensor([2]))
    found = invert(gan, targets, 1, Search(samples=600, prior=0.0), rng(), quiet)
    assert found.labels.tolist() == [1]
    expected = torch.linalg.solve(gan.matrix, (gan.offsets[2] - gan.offsets[1])[:, None])[:, 0]
    torch.testing.assert_close(found.latents[0], expected, atol=0.05, rtol=0)


def test_items_do_not_depend_on_those_next_to_them() -> None:
    gan = Linear()
    targets = gan.render(torch.randn(5, 4, generator=rng()), torch.tensor([0, 1, 2, 2, 1]))
    together = invert(gan, targets, None, Search(batch=3, steps=50), rng(), quiet)
    for k in range(5):
        alone = invert(gan, targets[k : k + 1], None, Search(steps=50), rng(), quiet)
        torch.testing.assert_close(alone.latents[0], together.latents[k], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        (DCGANSettings.model_validate(SMALL), (8,)),
        (CGANSettings.model_validate({**SMALL, "label_width": 4}), (8,)),
        (StyleGAN2Settings.model_validate({**SMALL, "style_width": 6, "mapping_layers": 2}), (4, 6)),
        (
            StyleGAN2Settings.model_validate({**SMALL, "style_width": 6, "mapping_layers": 2, "conditional": True}),
            (4, 6),
        ),
    ],
    ids=["dcgan", "cgan", "stylegan2", "conditional stylegan2"],
)
def test_variants_are_inverted(settings: Any, shape: tuple[int, ...]) -> None:
    """Generated images are found again, and rendered as `sample` draws them. Weights get no gradient."""
    torch.manual_seed(0)
    gan: Any = build(settings, image_spec(8, 1, 3)).eval().requires_grad_(False)
    is_invertible = isinstance(gan, Invertible)
    assert is_invertible
    z, label = torch.randn(3, 8, generator=rng()), torch.tensor([2, 0, 1])
    conditions = {"label": label} if gan.classes else {}
    images = gan.sample(3, rng(), z=z, **conditions)
    torch.testing.assert_close(gan.render(gan.encode(z, label), label).clamp(-1, 1), images)
    found = invert(gan, images, None, QUICK, torch.Generator().manual_seed(1), quiet)
    assert found.latents.shape == (3, *shape)
    spread = images.std(dim=0).mean()
    assert (found.images - images).square().mean().sqrt() < 0.4 * spread
    torch.testing.assert_close(gan.render(found.latents, found.labels).clamp(-1, 1), found.images)
    assert all(weight.grad is None for weight in gan.parameters())


def test_difference_adds_the_resolutions() -> None:
    images, targets = (torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(k)) for k in (1, 2))
    change = (images - targets).double().numpy()
    expected = np.zeros(2)
    for side in (16, 8, 4):
        factor = 16 // side
        pooled = change.reshape(2, 3, side, factor, side, factor).mean(axis=(3, 5))
        expected += (pooled**2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(difference(images, targets).numpy(), expected, rtol=1e-5)


def test_values_beyond_the_range_meet_a_target_at_the_bound() -> None:
    images = torch.tensor([-1.5, -1.5, 1.2, 1.2, 0.3], requires_grad=True)
    targets = torch.tensor([-1.0, 0.0, 1.0, -1.0, 1.0])
    clipped = clip_towards(images, targets)
    assert torch.equal(clipped, torch.tensor([-1.0, -1.5, 1.0, 1.2, 0.3]))
    torch.autograd.backward(clipped.sum())
    assert images.grad is not None
    assert images.grad.tolist() == [0, 1, 0, 1, 1]


def test_psnr_of_known_errors() -> None:
    zeros = torch.zeros(2, 1, 4, 4)
    found = psnr(zeros + torch.tensor([0.2, 0.02])[:, None, None, None], zeros)
    assert found.tolist() == pytest.approx([20, 40], abs=1e-4)
    assert psnr(zeros, zeros).tolist() == pytest.approx([106.02] * 2, abs=0.01)
