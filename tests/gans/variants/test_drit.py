"""DRIT: losses against formulas, the effect of styles, and which networks random styles update."""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import l1_loss, softplus

from pipeline.gans.base import Progress
from pipeline.gans.variants.drit.drit import kl_divergence, sample_style
from tests.gans.translating import random_pairs, small

START = Progress(0, 0.0)


def rng(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_generator_loss_against_the_formula() -> None:
    weights = {"adversarial": 2, "content": 3, "cross_cycle": 5, "reconstruction": 7, "kl": 0.5, "l2": 0.25}
    gan, batch, random = small("drit", weights=weights), random_pairs(), rng()
    a, b = batch["a"], batch["b"]
    content_a, content_b = gan.contents(a), gan.contents(b)
    encoded_a, encoded_b = gan.styles(a, "a"), gan.styles(b, "b")
    style_a, style_b = sample_style(encoded_a, random), sample_style(encoded_b, random)
    fake_a, fake_b = gan.painters(content_b, style_a, "a"), gan.painters(content_a, style_b, "b")
    cycle_a = gan.painters(gan.contents(fake_b), sample_style(gan.styles(fake_a, "a"), random), "a")
    cycle_b = gan.painters(gan.contents(fake_a), sample_style(gan.styles(fake_b, "b"), random), "b")
    half = torch.full((4,), 0.5)
    expected = (
        2 * (softplus(-gan.discriminator_a(fake_a)).mean() + softplus(-gan.discriminator_b(fake_b)).mean())
        + 3
        * (
            cross_entropy(gan.content_discriminator(content_a), half)
            + cross_entropy(gan.content_discriminator(content_b), half)
        )
        + 5 * (l1_loss(cycle_a, a) + l1_loss(cycle_b, b))
        + 7 * (l1_loss(gan.painters(content_a, style_a, "a"), a) + l1_loss(gan.painters(content_b, style_b, "b"), b))
        + 0.5 * (kl_divergence(encoded_a) + kl_divergence(encoded_b))
        + 0.25 * (content_a.square().mean() + content_b.square().mean())
    )
    torch.testing.assert_close(gan.generator_loss(batch, START, rng()).total, expected)


def test_random_style_loss_against_the_formula() -> None:
    gan, batch, random = (
        small("drit", weights={"adversarial": 2, "latent": 3, "mode_seeking": 5}),
        random_pairs(),
        rng(),
    )
    content_a, content_b = gan.contents(batch["a"]), gan.contents(batch["b"])
    z, other = (torch.randn(4, 8, generator=random) for _ in range(2))
    fake_a, fake_b = gan.painters(content_b, z, "a"), gan.painters(content_a, z, "b")
    ratios = [
        l1_loss(fake_a, gan.painters(content_b, other, "a")),
        l1_loss(fake_b, gan.painters(content_a, other, "b")),
    ]
    expected = (
        2 * (softplus(-gan.random_a(fake_a)).mean() + softplus(-gan.random_b(fake_b)).mean())
        + 3 * (l1_loss(gan.styles(fake_a, "a")[0], z) + l1_loss(gan.styles(fake_b, "b")[0], z))
        + 5 * sum(1 / (ratio / l1_loss(z, other) + 1e-5) for ratio in ratios)
    )
    torch.testing.assert_close(gan.random_style_loss(batch, START, rng()).total, expected)
    without = small("drit", weights={"mode_seeking": 0}).random_style_loss(batch, START, rng())
    assert "loss_mode_seeking" not in without.terms


def test_content_discriminator_loss_and_updates() -> None:
    gan, batch = small("drit"), random_pairs()
    with torch.no_grad():
        gan.content_discriminator.last.weight.zero_()
        gan.content_discriminator.last.bias.fill_(2.0)
    expected = softplus(torch.tensor(2.0)) + softplus(torch.tensor(-2.0))
    torch.testing.assert_close(gan.content_loss(batch, START, rng()).total, expected)
    phases = {phase.name: phase for phase in gan.phases()}
    assert [phase.name for phase in gan.phases()].count("content") == 3
    assert (phases["content"].lr_scale, phases["content"].max_grad_norm) == (pytest.approx(0.4), 5.0)
    assert "styles" not in phases["random"].networks


def test_kl_divergence_equals_torchs() -> None:
    mean, log_variance = torch.randn(5, 8, generator=rng()), torch.randn(5, 8, generator=rng(8))
    normal = torch.distributions.Normal(mean, (log_variance / 2).exp())
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(dim=1).mean()
    torch.testing.assert_close(kl_divergence((mean, log_variance)), expected)


def test_an_image_has_many_translations_and_one_reconstruction() -> None:
    gan, images = small("drit").eval(), random_pairs()["a"]
    with torch.no_grad():
        for parameter in gan.painters.parameters():
            parameter.mul_(5)
    assert not torch.allclose(gan.translate(images, "a_to_b", rng(1)), gan.translate(images, "a_to_b", rng(2)))
    translated = gan.translate(images, "a_to_b", rng(1))
    back = gan.painters(gan.contents(translated), gan.styles(images, "a")[0], "a")
    torch.testing.assert_close(gan.reconstruct(translated, images, "a_to_b", rng(3)), back)
    z = torch.zeros(4, 8)
    torch.testing.assert_close(gan.sample(4, rng(), item=images, z=z), gan.painters(gan.contents(images), z, "b"))
    own = gan.painters(gan.contents(images), gan.styles(images, "a")[0], "a")
    torch.testing.assert_close(gan.map_identity(images, "b_to_a", rng()), own)


@torch.no_grad()
def test_upsampling_draws_no_checkerboard() -> None:
    # A strided transposed convolution gives the pixels of a constant image different values, by their position.
    painters = small("drit").painters
    channels = painters.common.layers[1].in_channels
    content = torch.randn(2, channels, 1, 1, generator=rng()).expand(-1, -1, 4, 4)
    images = painters(content, torch.randn(2, 8, generator=rng()), "b")
    torch.testing.assert_close(images, images[:, :, :1, :1].expand_as(images), rtol=0, atol=1e-5)
    assert images.std() > 1e-3
