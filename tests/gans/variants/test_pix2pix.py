"""pix2pix: losses against formulas, both directions, deterministic output, skip connections."""

import pytest
import torch
from torch.nn.functional import l1_loss, softplus

from pipeline.gans.base import Progress
from tests.gans.translating import random_pairs, small

START = Progress(0, 0.0)


@pytest.mark.parametrize(("direction", "source", "target"), [("a_to_b", "a", "b"), ("b_to_a", "b", "a")])
def test_losses_against_the_formulas(direction: str, source: str, target: str) -> None:
    gan = small("pix2pix", direction=direction, weights={"adversarial": 0.5, "l1": 3.0}).eval()
    batch = random_pairs()
    translated = gan.generator(batch[source])
    real, fake = (gan.discriminator(torch.cat([batch[source], x], dim=1)) for x in (batch[target], translated))
    torch.testing.assert_close(
        gan.discriminator_loss(batch, START, torch.Generator()).total, softplus(-real).mean() + softplus(fake).mean()
    )
    expected = 0.5 * softplus(-fake).mean() + 3 * l1_loss(translated, batch[target])
    torch.testing.assert_close(gan.generator_loss(batch, START, torch.Generator()).total, expected)
    assert list(gan.directions()) == [direction]


def test_dropout_is_used_in_training_only() -> None:
    gan = small("pix2pix", dropout=0.5)
    images = random_pairs()["a"]
    gan.train()
    assert not torch.equal(gan.generator(images), gan.generator(images))
    gan.eval()
    assert torch.equal(gan.generator(images), gan.generator(images))


def test_skip_connections_keep_positions() -> None:
    """An input pixel affects the output at its own position more than far away."""
    gan = small("pix2pix", resolution=32).eval()
    images = random_pairs(1, 32)["a"].requires_grad_()
    (gradient,) = torch.autograd.grad(gan.generator(images)[0, :, 4:6, 4:6].sum(), images)
    influence = gradient.square().sum(dim=(0, 1))
    assert influence[2:8, 2:8].mean() > 20 * influence[16:, 16:].mean()
    assert influence[16:, 16:].mean() > 0, "the bottleneck connects all positions"
