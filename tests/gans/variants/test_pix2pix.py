"""pix2pix: the losses by hand, both directions, one answer to one picture."""

import pytest
import torch
from torch.nn.functional import l1_loss, softplus

from pipeline.gans.base import Progress
from tests.gans.translating import random_pairs, small

START = Progress(0, 0.0)


@pytest.mark.parametrize(("direction", "given", "wanted"), [("a_to_b", "a", "b"), ("b_to_a", "b", "a")])
def test_losses_by_hand(direction: str, given: str, wanted: str) -> None:
    gan = small("pix2pix", direction=direction, weights={"adversarial": 0.5, "l1": 3.0}).eval()
    batch = random_pairs()
    made = gan.generator(batch[given])
    real, fake = (gan.discriminator(torch.cat([batch[given], one], dim=1)) for one in (batch[wanted], made))
    torch.testing.assert_close(
        gan.discriminator_loss(batch, START, torch.Generator()).total, softplus(-real).mean() + softplus(fake).mean()
    )
    expected = 0.5 * softplus(-fake).mean() + 3 * l1_loss(made, batch[wanted])
    torch.testing.assert_close(gan.generator_loss(batch, START, torch.Generator()).total, expected)
    assert list(gan.directions()) == [direction]


def test_dropout_is_in_training_alone() -> None:
    gan = small("pix2pix", dropout=0.5)
    images = random_pairs()["a"]
    gan.train()
    assert not torch.equal(gan.generator(images), gan.generator(images))
    gan.eval()
    assert torch.equal(gan.generator(images), gan.generator(images))


def test_what_is_drawn_where_is_carried_past_the_middle() -> None:
    """A pixel of the input moves its own place in the output more than places far from it."""
    gan = small("pix2pix", resolution=32).eval()
    images = random_pairs(1, 32)["a"].requires_grad_()
    (gradient,) = torch.autograd.grad(gan.generator(images)[0, :, 4:6, 4:6].sum(), images)
    power = gradient.square().sum(dim=(0, 1))
    assert power[2:8, 2:8].mean() > 20 * power[16:, 16:].mean()
    assert power[16:, 16:].mean() > 0, "through the middle everything sees everything"
