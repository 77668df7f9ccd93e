"""Layers whose gradient on CUDA is the same in every run, if torch is asked for deterministic algorithms.

torch refuses the gradients of reflection padding and of adaptive pooling then (`torch.use_deterministic_algorithms`).
Otherwise, and on other devices, these layers are torch's own.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def is_replaced(x: Tensor) -> bool:
    """Return whether torch would refuse the gradient of its own layer for `x`."""
    return torch.are_deterministic_algorithms_enabled() and x.device.type == "cuda"


def reflection_pad(x: Tensor, padding: Sequence[int]) -> Tensor:
    """Mirror the borders of `x`, as `torch.nn.functional.pad` does with the mode reflect.

    Args:
        x: Tensor of any shape.
        padding: Values before and after on the last axis, then on the axis before it, and so on.
    """
    if not is_replaced(x):
        return functional.pad(x, list(padding), mode="reflect")
    for number, (before, after) in enumerate(zip(padding[::2], padding[1::2], strict=True)):
        axis = x.ndim - 1 - number
        size = x.shape[axis]
        parts = [x]
        if before:
            parts.insert(0, x.narrow(axis, 1, before).flip(axis))
        if after:
            parts.append(x.narrow(axis, size - 1 - after, after).flip(axis))
        x = torch.cat(parts, dim=axis)
    return x


class ReflectionPad2d(nn.ReflectionPad2d):
    """Mirrors the borders of images [B, C, H, W]."""

    def forward(self, images: Tensor) -> Tensor:
        return reflection_pad(images, self.padding)


class GlobalAveragePool2d(nn.AdaptiveAvgPool2d):
    """Feature maps [B, C, H, W] -> their means [B, C, 1, 1]."""

    def __init__(self) -> None:
        super().__init__(1)

    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean(dim=(2, 3), keepdim=True) if is_replaced(maps) else super().forward(maps)
