"""CycleGAN: losses against formulas, image pools, both directions."""

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from pipeline.gans.base import Progress
from tests.gans.translating import random_pairs, small

START = Progress(0, 0.0)


def least_squares(logits: Tensor, target: float) -> Tensor:
    """Return half the mean squared error, as objective lsgan does."""
    return 0.5 * (logits - target).square().mean()


def test_generator_loss_against_the_formula() -> None:
    gan = small("cyclegan", weights={"adversarial": 2.0, "cycle": 7.0, "identity": 3.0})
    batch = random_pairs()
    a, b, ab, ba = batch["a"], batch["b"], gan.generator_ab, gan.generator_ba
    adversarial = least_squares(gan.discriminator_b(ab(a)), 1) + least_squares(gan.discriminator_a(ba(b)), 1)
    cycle = l1_loss(ba(ab(a)), a) + l1_loss(ab(ba(b)), b)
    identity = l1_loss(ab(b), b) + l1_loss(ba(a), a)
    torch.testing.assert_close(
        gan.generator_loss(batch, START, torch.Generator()).total, 2 * adversarial + 7 * cycle + 3 * identity
    )
    without = small("cyclegan", weights={"identity": 0.0}).generator_loss(batch, START, torch.Generator())
    assert "loss_identity" not in without.terms


def test_discriminators_see_pooled_images() -> None:
    gan, batch, rng = small("cyclegan", pool=4), random_pairs(), torch.Generator().manual_seed(0)
    first = gan.discriminator_loss(batch, START, rng)
    fake_a, fake_b = gan.generator_ba(batch["b"]), gan.generator_ab(batch["a"])
    expected = sum(
        least_squares(discriminator(real), 1) + least_squares(discriminator(fake), 0)
        for discriminator, real, fake in (
            (gan.discriminator_a, batch["a"], fake_a),
            (gan.discriminator_b, batch["b"], fake_b),
        )
    )
    torch.testing.assert_close(first.total, expected)
    torch.testing.assert_close(gan.pool_a.images, fake_a)
    torch.testing.assert_close(gan.pool_b.images, fake_b)
    with torch.no_grad():
        for parameter in gan.generator_ab.parameters():
            parameter.mul_(3)
    later = gan.discriminator_loss(batch, START, rng)
    gan.pool_a.size = gan.pool_b.size = 0
    assert not torch.allclose(later.total, gan.discriminator_loss(batch, START, rng).total), (
        "some images are from the pools"
    )


def test_reconstruction_uses_both_generators() -> None:
    gan, images, rng = small("cyclegan").eval(), random_pairs()["b"], torch.Generator()
    torch.testing.assert_close(
        gan.reconstruct(gan.generator_ba(images), images, "b_to_a", rng), gan.generator_ab(gan.generator_ba(images))
    )
    torch.testing.assert_close(gan.map_identity(images, "a_to_b", rng), gan.generator_ab(images))
