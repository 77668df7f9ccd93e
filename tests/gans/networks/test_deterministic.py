"""Layers that replace torch's own against torch's own."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.gans.networks import deterministic
from pipeline.gans.networks.deterministic import GlobalAveragePool2d, ReflectionPad2d, reflection_pad

Layer = Callable[[Tensor], Tensor]


def results(layer: Layer, x: Tensor) -> list[Tensor]:
    """Return the output, the gradient, and the gradient of a norm of the gradient."""
    x = x.clone().requires_grad_()
    y = layer(x)
    (first,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    return [y, first, second]


@pytest.mark.parametrize(
    ("shape", "padding"),
    [
        ((2, 3, 5, 7), (1, 1, 1, 1)),
        ((2, 3, 5, 7), (3, 2, 0, 4)),
        ((2, 3, 1, 9), (0, 2, 0, 0)),
        ((2, 3, 9), (0, 5)),
        ((2, 3, 9), (8, 0)),
        ((2, 3, 9), (0, 0)),
    ],
)
def test_reflection_padding(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], padding: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = results(lambda x: functional.pad(x, padding, mode="reflect"), x)
    torch.testing.assert_close(results(lambda x: reflection_pad(x, padding), x), expected, rtol=0, atol=0)
    monkeypatch.setattr(deterministic, "is_replaced", lambda _: True)
    torch.testing.assert_close(results(lambda x: reflection_pad(x, padding), x), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(ReflectionPad2d(3), nn.ReflectionPad2d(3)), (GlobalAveragePool2d(), nn.AdaptiveAvgPool2d(1))]
)
def test_layers(monkeypatch: pytest.MonkeyPatch, ours: Layer, theirs: Layer) -> None:
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = results(theirs, x)
    torch.testing.assert_close(results(ours, x), expected, rtol=0, atol=0)
    monkeypatch.setattr(deterministic, "is_replaced", lambda _: True)
    torch.testing.assert_close(results(ours, x), expected, rtol=1e-13, atol=1e-13)
