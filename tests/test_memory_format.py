"""Weights of 2-D convolutions become channels_last; 3-D convolutions cannot, and stay as they are."""

import torch
from torch import nn

from pipeline.memory_format import channels_last


def test_only_weights_of_four_axes_change_their_format() -> None:
    network = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.Conv3d(3, 4, 3), nn.Linear(3, 4), nn.BatchNorm3d(4)])
    values = [parameter.detach().clone() for parameter in network.parameters()]
    assert channels_last(network) is network
    flat, deep = (network[k].weight for k in (0, 1))
    assert isinstance(flat, torch.Tensor)
    assert isinstance(deep, torch.Tensor)
    assert flat.is_contiguous(memory_format=torch.channels_last)
    assert deep.is_contiguous()
    assert all(map(torch.equal, values, network.parameters()))
