"""Every objective against its formula in float64, and at logits where a naive formula overflows."""

import math
from collections.abc import Callable
from typing import get_args

import pytest
import torch

from pipeline.gans.game.objectives import OBJECTIVES
from pipeline.gans.variants.settings import Objective

X, Y = [0.3, -1.2, 2.0], [0.5, -0.7, -3.0]


def sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v))


def mean(f: Callable[[float, float], float]) -> float:
    return sum(f(x, y) for x, y in zip(X, Y, strict=True)) / len(X)


BY_HAND: dict[str, tuple[float, float]] = {
    "nonsaturating": (
        mean(lambda x, y: -math.log(sigmoid(x)) - math.log(1 - sigmoid(y))),
        mean(lambda x, y: -math.log(sigmoid(y))),
    ),
    "minimax": (
        mean(lambda x, y: -math.log(sigmoid(x)) - math.log(1 - sigmoid(y))),
        mean(lambda x, y: math.log(1 - sigmoid(y))),
    ),
    "lsgan": (mean(lambda x, y: 0.5 * (x - 1) ** 2 + 0.5 * y**2), mean(lambda x, y: 0.5 * (y - 1) ** 2)),
    "wgan": (mean(lambda x, y: y - x), mean(lambda x, y: -y)),
    "hinge": (mean(lambda x, y: max(0.0, 1 - x) + max(0.0, 1 + y)), mean(lambda x, y: -y)),
    "relativistic": (mean(lambda x, y: -math.log(sigmoid(x - y))), mean(lambda x, y: -math.log(sigmoid(y - x)))),
}


def test_every_objective_is_tested() -> None:
    assert set(BY_HAND) == set(OBJECTIVES) == set(get_args(Objective))


@pytest.mark.parametrize("name", get_args(Objective))
def test_formula(name: Objective) -> None:
    x, y = torch.tensor(X, dtype=torch.float64), torch.tensor(Y, dtype=torch.float64)
    discriminator, generator = BY_HAND[name]
    assert OBJECTIVES[name].discriminator(x, y, 0.0).item() == pytest.approx(discriminator, rel=1e-12)
    assert OBJECTIVES[name].generator(x, y).item() == pytest.approx(generator, rel=1e-12)


@pytest.mark.parametrize("name", get_args(Objective))
@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_extreme_logits_stay_finite(name: Objective, logit: float) -> None:
    x = torch.full((4,), logit, requires_grad=True)
    y = torch.full((4,), -logit, requires_grad=True)
    for loss in (OBJECTIVES[name].discriminator(x, y, 0.0), OBJECTIVES[name].generator(x, y)):
        assert torch.isfinite(loss)
        for gradient in torch.autograd.grad(loss, (x, y), allow_unused=True):
            assert gradient is None or torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", get_args(Objective))
def test_gradients_have_opposite_signs(name: Objective) -> None:
    """The discriminator raises x and lowers y; the generator raises y."""
    x, y = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    down_x, down_y = torch.autograd.grad(OBJECTIVES[name].discriminator(x, y, 0.0), (x, y), allow_unused=True)
    assert (down_x < 0).all()
    assert down_y is None or (down_y >= 0).all()
    (up,) = torch.autograd.grad(OBJECTIVES[name].generator(x, y), (y,))
    assert (up < 0).all()
