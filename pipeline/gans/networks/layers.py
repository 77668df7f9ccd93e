"""Layers and helpers that several variants share."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Disable autocast for operations that need 32 bits.

    Without autocast this is a null context, so exported graphs contain no trace of it.
    """
    return torch.autocast(x.device.type, enabled=False) if torch.is_autocast_enabled(x.device.type) else nullcontext()


class MinibatchStd(nn.Module):
    """Minibatch standard deviation (Karras 2018, section 3): appends a channel to [B, C, H, W], or a value to [B, C].

    The standard deviation of each value is taken over groups of images and averaged over all values.

    Args:
        group: Images in a group, or the largest divisor of the batch size below it; 0 disables the layer.
    """

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    @property
    def extra(self) -> int:
        """Number of channels that the layer appends."""
        return 1 if self.group else 0

    def group_size(self, n: int) -> int:
        """Return the images in a group of a batch of `n`."""
        return next(size for size in range(min(self.group, n), 0, -1) if n % size == 0)

    def forward(self, x: Tensor) -> Tensor:
        if not self.group:
            return x
        n = len(x)
        group = self.group_size(n)
        # Members of a group are n / group apart, so that a batch sorted by class still mixes in groups.
        std = x.float().reshape(group, n // group, -1)
        # Written out, because torch's variance over the first axis is several times slower on a CPU.
        std = ((std - std.mean(dim=0)).square().mean(dim=0) + 1e-8).sqrt().mean(dim=1).repeat(group)
        shape = (n, 1, *x.shape[2:])
        return torch.cat([x, std.reshape(n, *[1] * (x.ndim - 1)).expand(shape).to(x.dtype)], dim=1)


def apply_spectral_norm(network: nn.Module) -> nn.Module:
    """Apply spectral normalisation to all convolutions, linear layers and embeddings (Miyato 2018, eq. 8).

    Each forward pass in training does one power iteration. The singular vectors are buffers, saved with the weights.
    """
    for module in list(network.modules()):
        weight: Any = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.ndim >= 2:
            spectral_norm(module)
    return network


def pack(images: Tensor, size: int) -> Tensor:
    """Stack `size` consecutive images along the channels (Lin 2018): [B, C, ...] -> [B / size, C size, ...]."""
    if size == 1:
        return images
    return images.reshape(len(images) // size, size * images.shape[1], *images.shape[2:])


def count_doublings(first: int, resolution: int) -> int:
    """Return how often a feature map of side `first` doubles up to `resolution`."""
    return int(math.log2(resolution // first))
