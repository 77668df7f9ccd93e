"""The memory format of networks."""

import itertools
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def channels_last(network: Network) -> Network:
    """Bring the weights of 2-D convolutions into the memory format channels_last, in place; others stay as they are."""
    for tensor in itertools.chain(network.parameters(), network.buffers()):
        if tensor.ndim == 4:
            tensor.data = tensor.data.to(memory_format=torch.channels_last)
    return network
