"""Tensors and random generators that report `cuda:0`."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import return_and_correct_aliasing

from tests.pretended_cuda.gpu import PretendedGpu, aten

GPU = torch.device("cuda:0")
CPU = torch.device("cpu")

active: list[PretendedGpu] = []
"""The pretended GPUs; the last one counts."""

moving_to: list[str | None] = [None]
"""Where the copy that is being made goes: "cpu", or None for a copy within a device."""


def is_cuda(device: Any) -> bool:
    """Return whether a device, or the name of one, is CUDA."""
    return device is not None and torch.device(device).type == "cuda"


class DeviceTensor(torch.Tensor):
    """A CPU tensor `held` that reports cuda:0."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "DeviceTensor":
        """Make the wrapper."""
        made: DeviceTensor = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=CPU,
        )
        return made

    def __init__(self, held: Tensor) -> None:
        self.held = held

    device = property(lambda self: GPU)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)

    def get_device(self) -> int:
        """Return the number of the device."""
        return 0

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"cuda({self.held})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Save the values; they are read as a CPU tensor, as with map_location="cpu"."""
        return self.held.detach().__reduce_ex__(protocol)  # type: ignore[no-untyped-call]

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """Copy the values."""
        copied: Tensor = DeviceTensor(self.held.detach().clone())
        if isinstance(self, nn.Parameter):
            copied = nn.Parameter(copied, requires_grad=self.requires_grad)
        else:
            copied.requires_grad_(self.requires_grad)
        memo[id(self)] = copied
        return copied

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation on the held values."""
        named, gpu = dict(kwargs or {}), active[-1]
        gpu.note(func, args, named)
        given = any(isinstance(one, torch.Generator) for one in (*args, *named.values()))
        seeded = torch.Tag.nondeterministic_seeded in func.tags and not given
        with gpu.own_random_state() if seeded else nullcontext():
            out = func(*pytree.tree_map(hold, args), **pytree.tree_map(hold, named))
        if func is aten._to_copy.default and moving_to[-1] == "cpu":
            return out
        return return_and_correct_aliasing(  # type: ignore[no-untyped-call]
            func, args, named, pytree.tree_map(wrap, out)
        )


def hold(value: Any) -> Any:
    """Return the held values of a device tensor; anything else as it is."""
    return value.held if isinstance(value, DeviceTensor) else value


def wrap(value: Any) -> Any:
    """Return a plain tensor as a device tensor; anything else as it is."""
    return DeviceTensor(value) if isinstance(value, Tensor) and not isinstance(value, DeviceTensor) else value


ANCHOR: list[DeviceTensor] = []
"""A tensor of the device that is always there."""


def appear(value: Any) -> Any:
    """Return a plain tensor as a tensor that an operation of the device has made; anything else as it is.

    Dispatch modes see the operation. They do not see the one that makes a tensor without tensors.
    """
    if not isinstance(value, Tensor) or isinstance(value, DeviceTensor):
        return value
    if not ANCHOR:
        ANCHOR.append(DeviceTensor(torch.zeros(())))
    made = ANCHOR[0].new_empty_strided(value.size(), value.stride(), dtype=value.dtype)
    assert isinstance(made, DeviceTensor)
    made.held = value
    return made


class ToDevice(torch.autograd.Function):
    """Copy to the device; the gradient is copied back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Copy."""
        return DeviceTensor(x.detach().clone())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Copy back."""
        return ToHost.apply(gradient)


class ToHost(torch.autograd.Function):
    """Copy to the host; the gradient is copied back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Copy."""
        moving_to.append("cpu")  # dispatch modes see a copy to the host
        try:
            values: Tensor = aten._to_copy.default(x.detach(), device=CPU)
        finally:
            moving_to.pop()
        return values

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Copy back."""
        return ToDevice.apply(gradient)


HOST_STATE = len(torch.Generator().get_state())
MARK = torch.zeros(1, dtype=torch.uint8)


class Generator(torch.Generator):
    """A CPU generator that reports the device it was made for. Neither kind takes a state of the other."""

    def __new__(cls, device: Any = "cpu") -> "Generator":
        """Make a CPU generator."""
        return torch._C.Generator.__new__(cls, "cpu")  # type: ignore[call-arg]

    def __init__(self, device: Any = "cpu") -> None:
        self.on_gpu = is_cuda(device)

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """The device it was made for."""
        return GPU if self.on_gpu else CPU

    def get_state(self) -> Tensor:
        """Return the state; that of a GPU has another length."""
        state = super().get_state()
        return torch.cat([state, MARK]) if self.on_gpu else state

    def set_state(self, state: Tensor) -> Any:
        """Restore a state. Raises RuntimeError for one of the other device."""
        if len(state) != HOST_STATE + (len(MARK) if self.on_gpu else 0):
            raise RuntimeError("RNG state is wrong size")
        return super().set_state(state[:HOST_STATE])
