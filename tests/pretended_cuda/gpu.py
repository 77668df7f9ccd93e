"""What a pretended GPU counts and what it refuses."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch.utils import _pytree as pytree

aten = torch.ops.aten

WAITS = {
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten.equal.default,
}
"""Operations whose result the host needs."""

COPIES = {aten.copy_.default, aten._to_copy.default, aten.set_.source_Tensor}
"""Operations that may have tensors of both devices."""

INDEXING = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default, aten._index_put_impl_.default}
FREE = {
    aten.detach.default,
    aten.alias.default,
    aten.lift_fresh.default,
    aten.empty_like.default,
    aten.empty.memory_format,
    aten.new_empty.default,
    aten._local_scalar_dense.default,
}
"""Operations without a kernel, besides views."""

SCALARS_ALLOWED = ("full_like.default", "fill_.Tensor")
OWN = tuple(f"/pretended_cuda/{name}.py" for name in ("gpu", "device_tensor", "pretend"))
"""Files whose lines ask for nothing."""


class Mixed(RuntimeError):
    """What a GPU refuses."""


class PretendedGpu:
    """Counts kernels, waits and copies by source line; refuses what a GPU refuses.

    Args:
        ours: Part of the file names whose lines are reported.
        is_device_tensor: Returns whether a tensor is on the pretended device.
    """

    def __init__(self, ours: str, is_device_tensor: Callable[[object], bool]) -> None:
        self.ours, self.is_device_tensor = ours, is_device_tensor
        self.kernels, self.waits, self.copies = Counter[str](), Counter[str](), Counter[str]()
        self.generator = torch._C.Generator().manual_seed(0)

    def report(self) -> str:
        """Return all counts, a line each."""
        common = ", ".join(f"{name} {count}" for name, count in self.kernels.most_common(12))
        lines = [f"{self.kernels.total()} kernels: {common}"]
        for title, counter in (("wait", self.waits), ("copy to the device", self.copies)):
            lines += [f"{title}: {count} x {where}" for where, count in counter.most_common()]
        return "\n".join(lines)

    def clear(self) -> None:
        """Forget all counts."""
        for counter in (self.kernels, self.waits, self.copies):
            counter.clear()

    @contextmanager
    def own_random_state(self) -> Iterator[None]:
        """Let default random numbers come from the device's own generator."""
        before = torch.get_rng_state()
        torch.set_rng_state(self.generator.get_state())
        try:
            yield
        finally:
            self.generator.set_state(torch.get_rng_state())
            torch.set_rng_state(before)

    def locate(self) -> str:
        """Return the innermost line of the project on the stack."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            file = frame.f_code.co_filename
            if self.ours in file and not file.endswith(OWN):
                return f"{file.rpartition(self.ours)[2]}:{frame.f_lineno}"
            frame = frame.f_back
        return "backward pass or outside of the project"

    def wait(self, what: str) -> None:
        """Count a wait of the host."""
        self.waits[f"{self.locate()} ({what})"] += 1

    def copy(self, what: str) -> None:
        """Count a copy to the device."""
        self.copies[f"{self.locate()} ({what})"] += 1

    def note(self, operation: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        """Count an operation with at least one tensor of the device.

        Raises:
            Mixed: Another tensor is on the CPU, and CUDA would refuse it.
        """
        tensors = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        strangers = [tensor for tensor in tensors if not self.is_device_tensor(tensor)]
        name = str(operation).removeprefix("aten.")
        if operation in INDEXING:
            indices = [index for index in args[1] if index is not None]
            if any(not self.is_device_tensor(index) for index in indices):
                self.copy(f"{name} with indices on the CPU")
            if any(index.dtype in (torch.bool, torch.uint8) for index in indices):
                self.wait(f"{name} by a mask")
            known = {id(index) for index in indices}
            strangers = [tensor for tensor in strangers if id(tensor) not in known]
        if operation in COPIES and strangers:
            (self.copy if self.is_device_tensor(args[0]) else self.wait)(name)
        elif strangers and not may_mix(operation, name, strangers):
            shapes = ", ".join(str(list(tensor.shape)) for tensor in strangers)
            raise Mixed(
                "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! "
                f"({name}; on the CPU: {shapes})"
            )
        if operation in WAITS:
            self.wait(name)
        is_view = any(one.alias_info is not None and not one.alias_info.is_write for one in operation._schema.returns)
        if not is_view and operation not in FREE:
            self.kernels[name] += 1


def may_mix(operation: Any, name: str, strangers: Sequence[torch.Tensor]) -> bool:
    """Return whether CUDA takes these CPU tensors in an operation: scalars, where it reads them on the host."""
    if any(tensor.dim() for tensor in strangers):
        return False
    pointwise = torch.Tag.pointwise in operation.tags
    return pointwise or "foreach" in name or operation in INDEXING or name in SCALARS_ALLOWED
