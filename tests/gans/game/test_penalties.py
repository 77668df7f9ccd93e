"""Gradient penalties against gradients known in closed form."""

import pytest
import torch
from torch import nn

from pipeline.gans.game.penalties import interpolate, one_centred_penalty, perturb, zero_centred_penalty
from pipeline.gans.networks.layers import pack


def test_linear_critic() -> None:
    """D(x) = w.x has the gradient w everywhere: the penalty is |w|^2, and its own gradient 2w."""
    torch.manual_seed(0)
    critic = nn.Linear(12, 1, bias=False).double()
    x = torch.randn(5, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    penalty = zero_centred_penalty(critic(x.flatten(1)).squeeze(1), x)
    weight = critic.weight
    # The penalty is computed in float32, because squares of half-precision gradients overflow.
    assert penalty.item() == pytest.approx(weight.square().sum().item(), rel=1e-6)
    torch.autograd.backward(penalty)
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, 2 * weight.detach(), rtol=1e-6, atol=1e-9)


def test_quadratic_critic() -> None:
    """D(x) = |x|^2 / 2 has the gradient x: the penalty is the mean of |x|^2 over the batch, not over pixels."""
    x = torch.randn(7, 1, 4, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    penalty = zero_centred_penalty(x.square().sum(dim=(1, 2, 3)) / 2, x)
    assert penalty.item() == pytest.approx(x.detach().square().sum().item() / 7, rel=1e-6)


def test_one_centred_penalty_of_a_linear_critic() -> None:
    """The penalty is (|w| - 1)^2 everywhere, and its gradient 2 (|w| - 1) w / |w|."""
    torch.manual_seed(0)
    critic = nn.Linear(12, 1, bias=False).double()
    x = torch.randn(5, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    penalty = one_centred_penalty(critic(x.flatten(1)).squeeze(1), x)
    norm = critic.weight.detach().norm()
    assert penalty.item() == pytest.approx((norm.item() - 1) ** 2, rel=1e-5)
    torch.autograd.backward(penalty)
    assert critic.weight.grad is not None
    torch.testing.assert_close(critic.weight.grad, 2 * (norm - 1) * critic.weight.detach() / norm, rtol=1e-5, atol=1e-8)


def test_one_centred_penalty_of_a_constant_critic_is_finite() -> None:
    x = torch.zeros(3, 2, requires_grad=True)
    weight = torch.zeros(2, requires_grad=True)
    penalty = one_centred_penalty(x @ weight, x)
    (gradient,) = torch.autograd.grad(penalty, weight)
    assert penalty.item() == pytest.approx(1.0, abs=1e-5)
    assert torch.isfinite(gradient).all()


def test_packs_have_the_gradient_of_the_whole_pack() -> None:
    """A critic of pairs: D(a, b) = 3 a + 4 b has |gradient|^2 = 25 in each pair."""
    x = torch.randn(6, 1, generator=torch.Generator().manual_seed(0)).requires_grad_()
    logits = pack(x, 2) @ torch.tensor([3.0, 4.0])
    assert len(logits) == 3
    assert zero_centred_penalty(logits, x).item() == pytest.approx(25.0)
    assert one_centred_penalty(logits, x).item() == pytest.approx(16.0, rel=1e-5)


def test_interpolated_and_perturbed_points() -> None:
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.full((2000, 1, 2, 2), 3.0), torch.full((2000, 1, 2, 2), 1.0)
    between = interpolate(real, fake, rng)
    assert between.min() >= 1
    assert between.max() <= 3
    assert between.mean().item() == pytest.approx(2.0, abs=0.05)
    assert (between == between[:, :, :1, :1]).all(), "one weight per image"
    spread = torch.randn(5000, 1, 2, 2, generator=rng) * 4
    assert (perturb(spread, rng) - spread).std().item() == pytest.approx(2.0, rel=0.03)
