"""The penalty against gradients known in closed form."""

import pytest
import torch
from torch import nn

from pipeline.gans.penalties import zero_centred


def test_linear_critic() -> None:
    """D(x) = w.x has the gradient w everywhere: the penalty is |w|^2, and its own gradient 2w."""
    torch.manual_seed(0)
    critic = nn.Linear(12, 1, bias=False).double()
    x = torch.randn(5, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    penalty = zero_centred(critic(x.flatten(1)).squeeze(1), x)
    weight = critic.weight
    # The penalty is taken in float32: gradients of half-precision networks are squared there.
    assert penalty.item() == pytest.approx(weight.square().sum().item(), rel=1e-6)
    torch.autograd.backward(penalty)
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, 2 * weight.detach(), rtol=1e-6, atol=1e-9)


def test_quadratic_critic() -> None:
    """D(x) = |x|^2 / 2 has the gradient x: the penalty is the mean of |x|^2 over the batch, not over pixels."""
    x = torch.randn(7, 1, 4, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    penalty = zero_centred(x.square().sum(dim=(1, 2, 3)) / 2, x)
    assert penalty.item() == pytest.approx(x.detach().square().sum().item() / 7, rel=1e-6)
