"""Copy the buffers of a variant before an attempt that may fail, and restore them after it."""

from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor, nn


class BufferCopies:
    """Copies of a module's buffers, in memory that is allocated once.

    A step copies the buffers before each phase, so buffers of one dtype are copied in one call: on CUDA, one kernel.

    Args:
        module: The module; its buffers may be replaced by others.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.copies: list[Tensor] = []

    @torch.no_grad()
    def take(self) -> Callable[[], None]:
        """Copy all buffers; return a function that restores them, which is valid until the next call."""
        buffers = [*self.module.buffers()]
        if [describe(copy) for copy in self.copies] != [describe(buffer) for buffer in buffers]:
            self.copies = [torch.empty_like(buffer) for buffer in buffers]
        copies = self.copies
        copy_all(copies, buffers)
        return lambda: copy_all(buffers, copies)


@torch.no_grad()
def copy_all(targets: list[Tensor], sources: list[Tensor]) -> None:
    """Copy tensors into others of the same shapes, dtypes and devices."""
    groups: dict[tuple[torch.dtype, torch.device], tuple[list[Tensor], list[Tensor]]] = defaultdict(lambda: ([], []))
    for target, source in zip(targets, sources, strict=True):
        group = groups[target.dtype, target.device]
        group[0].append(target)
        group[1].append(source)
    for group in groups.values():
        torch._foreach_copy_(*group)


def describe(tensor: Tensor) -> tuple[torch.Size, torch.dtype, torch.device]:
    """Return what two tensors must share to be copied into each other."""
    return tensor.shape, tensor.dtype, tensor.device
