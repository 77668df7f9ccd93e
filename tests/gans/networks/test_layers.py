"""Shared layers against formulas."""

import pytest
import torch
from torch import nn

from pipeline.gans.networks.layers import MinibatchStd, apply_spectral_norm, count_doublings, pack


@pytest.mark.parametrize(("n", "group", "used"), [(8, 4, 4), (8, 3, 2), (6, 4, 3), (7, 4, 1), (2, 4, 2), (1, 4, 1)])
def test_minibatch_std_against_the_formula(n: int, group: int, used: int) -> None:
    """One number per group: the standard deviation of each value over the group, averaged over the values."""
    x = torch.randn(n, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    y = MinibatchStd(group)(x)
    assert torch.equal(y[:, :3], x)
    for k in range(n):
        members = x[k % (n // used) :: n // used]
        assert len(members) == used
        expected = members.double().std(dim=0, correction=0).mean().item()
        assert y[k, 3].flatten().tolist() == pytest.approx([expected] * 25, abs=2e-4)


def test_minibatch_std_of_equal_vectors_is_zero() -> None:
    same = torch.ones(8, 6)
    y = MinibatchStd(4)(same)
    assert y.shape == (8, 7)
    assert (y[:, 6] < 1e-3).all()
    assert MinibatchStd(4)(torch.randn(8, 6))[:, 6].min() > 0.3
    assert MinibatchStd(0)(same) is same


def test_spectral_norm_is_the_largest_singular_value() -> None:
    torch.manual_seed(0)
    network = apply_spectral_norm(
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.LeakyReLU(), nn.Flatten(), nn.Linear(8 * 36, 5), nn.BatchNorm1d(5))
    )
    for _ in range(60):
        network(torch.randn(4, 3, 8, 8))
    for layer in (network.get_submodule("0"), network.get_submodule("3")):
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1.0, rel=0.01)
    keys = network.state_dict()
    assert any(key.endswith("_u") for key in keys), "the singular vectors are saved"


def test_pack_stacks_consecutive_images_along_the_channels() -> None:
    x = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 2, 1, 1)
    assert pack(x, 1) is x
    assert pack(x, 3).flatten(1).tolist() == [[0, 0, 1, 1, 2, 2], [3, 3, 4, 4, 5, 5]]
    assert pack(torch.arange(8.0).view(4, 2), 2).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_count_doublings() -> None:
    assert [count_doublings(4, resolution) for resolution in (4, 8, 256)] == [0, 1, 6]
