"""Layers that several variants share."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Switches autocast off where it is on, for what sixteen bits are too few for; elsewhere nothing, so that an exported graph does not mention it."""
    return torch.autocast(x.device.type, enabled=False) if torch.is_autocast_enabled(x.device.type) else nullcontext()


class MinibatchStd(nn.Module):
    """Appends how much the images of a group differ: one channel to [B, C, H, W], one value to [B, C] (Karras 2018, section 3).

    In groups of `group` (of the largest divisor of the batch below it, where it does not divide it): the standard deviation over
    the group of every value, averaged over all values. With `group` 0 nothing is appended.
    """

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    @property
    def extra(self) -> int:
        """Channels that are added."""
        return 1 if self.group else 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.group:
            return x
        n = len(x)
        group = next(size for size in range(min(self.group, n), 0, -1) if n % size == 0)
        # Members of a group lie n / group apart, so that a batch sorted by class still mixes in groups.
        spread = x.float().reshape(group, n // group, -1)
        # Written out: torch's own variance over the first axis takes several times as long on a CPU.
        spread = ((spread - spread.mean(dim=0)).square().mean(dim=0) + 1e-8).sqrt().mean(dim=1).repeat(group)
        shape = (n, 1, *x.shape[2:])
        return torch.cat([x, spread.reshape(n, *[1] * (x.ndim - 1)).expand(shape).to(x.dtype)], dim=1)


def spectrally_normalised(network: nn.Module) -> nn.Module:
    """Divides the weight of every convolution, linear layer and embedding by its largest singular value (Miyato 2018, eq. 8).

    One power iteration a forward pass in training; the vectors are buffers and are saved with the weights.
    """
    for module in list(network.modules()):
        weight: Any = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.ndim >= 2:
            spectral_norm(module)
    return network


def pack(images: Tensor, size: int) -> Tensor:
    """[B, C, ...] -> [B / size, C * size, ...]: `size` consecutive images as the channels of one (Lin 2018, section 3)."""
    if size == 1:
        return images
    return images.reshape(len(images) // size, size * images.shape[1], *images.shape[2:])


def doublings(resolution: int, first: int) -> int:
    """How many times a map of side `first` doubles up to `resolution`."""
    return int(math.log2(resolution // first))
