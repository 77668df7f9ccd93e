"""LeCam regularisation against its formula and a plain loop over the averages."""

import pytest
import torch

from pipeline.gans.game.lecam import LeCam


def test_formula_and_averages() -> None:
    rng = torch.Generator().manual_seed(0)
    lecam = LeCam(0.3)
    real_average = fake_average = None
    for _ in range(30):
        real, fake = torch.randn(8, generator=rng) + 2, torch.randn(8, generator=rng) - 1
        loss = lecam(real, fake)
        x, y = real.double(), fake.double()
        real_average = x.mean() if real_average is None else 0.99 * real_average + 0.01 * x.mean()
        fake_average = y.mean() if fake_average is None else 0.99 * fake_average + 0.01 * y.mean()
        expected = (x - fake_average).square().mean() + (y - real_average).square().mean()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_gradient_pulls_real_and_fake_logits_together() -> None:
    lecam = LeCam(1.0)
    real, fake = torch.full((4,), 2.0, requires_grad=True), torch.full((4,), -2.0, requires_grad=True)
    pull_real, pull_fake = torch.autograd.grad(lecam(real, fake), (real, fake))
    assert (pull_real > 0).all()
    assert (pull_fake < 0).all()


def test_averages_are_saved() -> None:
    lecam = LeCam(1.0)
    lecam(torch.ones(3), -torch.ones(3))
    other = LeCam(1.0)
    other.load_state_dict(lecam.state_dict())
    assert (other.average_real.item(), other.average_fake.item(), other.started.item()) == (1, -1, 1)
