"""Let Python code see a CUDA device."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
import torch._dynamo  # torch imports it on first use, which fails while a mode is active
from torch.overrides import TorchFunctionMode, _pop_mode_temporarily
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from pipeline.training import cuda_graphs
from tests.pretended_cuda.device_tensor import (
    CPU,
    GPU,
    DeviceTensor,
    Generator,
    ToDevice,
    ToHost,
    active,
    appear,
    is_cuda,
    moving_to,
    wrap,
)
from tests.pretended_cuda.gpu import Mixed, PretendedGpu

group_tensors = torch.utils._foreach_utils._group_tensors_by_device_and_dtype
arange: Any = torch.arange
MOVES = (torch.Tensor.to, torch.Tensor.cuda, torch.Tensor.cpu)
RANDOM = ("rand", "randn", "randint", "normal", "randperm", "bernoulli")


def has_device_tensor(values: Any) -> bool:
    """Return whether a tensor of the device is among nested values."""
    return any(isinstance(leaf, DeviceTensor) for leaf in pytree.tree_leaves(values))


class FunctionMode(TorchFunctionMode):
    """Redirects functions of torch that name a device."""

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run a function."""
        named, name, gpu = dict(kwargs or {}), getattr(function, "__name__", ""), active[-1]
        if function in MOVES:
            return move(name, args, named)
        if args and isinstance(args[0], DeviceTensor):
            if name in ("numpy", "__array__"):
                raise TypeError("can't convert cuda:0 device type tensor to numpy: copy it to host memory first")
            if name == "tolist":
                gpu.wait(name)
                return args[0].held.tolist()
        require_generator_of_device(name, args, named)
        if is_cuda(named.get("device")):
            return make_on_device(function, name, args, named)
        with HostResults() if has_device_tensor((args, named)) else nullcontext():  # type: ignore[no-untyped-call]
            return function(*args, **named)


def require_generator_of_device(name: str, args: Sequence[Any], named: Mapping[str, Any]) -> None:
    """Raise Mixed if a random generator is on another device than the numbers that are asked of it."""
    generator = named.get("generator") or next((one for one in args if isinstance(one, torch.Generator)), None)
    if generator is None or name == "manual_seed":
        return
    on_gpu = is_cuda(named.get("device")) or has_device_tensor(args)
    if is_cuda(generator.device) != on_gpu:
        expected = "cuda" if on_gpu else "cpu"
        raise Mixed(f"Expected a {expected!r} device type for generator but found {generator.device.type!r} ({name})")


def make_on_device(function: Any, name: str, args: Sequence[Any], named: dict[str, Any]) -> Any:
    """Run a function that makes tensors on the device."""
    gpu = active[-1]
    if has_device_tensor(args):  # such as zeros_like
        del named["device"]
    else:
        named["device"] = CPU
        if name in ("tensor", "as_tensor"):
            gpu.copy(name)
        else:
            gpu.kernels[name] += 1
    seeded = named.get("generator") is None and name in RANDOM
    with gpu.own_random_state() if seeded else nullcontext():
        if has_device_tensor(args):
            return function(*args, **named)
        with _disable_current_modes():
            made = function(*args, **named)
    # What comes from the host is no result of an operation of the device.
    return pytree.tree_map(wrap if name in ("tensor", "as_tensor") else appear, made)


def move(name: str, args: Sequence[Any], named: dict[str, Any]) -> Any:
    """Run `to`, `cuda` or `cpu` of a tensor."""
    tensor, rest = args[0], list(args[1:])
    target, rest, others = parse_target(name, rest, named)
    if target is None:
        return torch.Tensor.to(tensor, *rest, **others)
    non_blocking = others.pop("non_blocking", False)
    while rest and (rest[0] is None or isinstance(rest[0], bool)):
        non_blocking = rest.pop(0) or non_blocking
    gpu, changes = active[-1], bool(rest or others)
    if target.type == tensor.device.type:
        return torch.Tensor.to(tensor, *rest, **others) if changes else tensor
    if target.type == "cpu":
        gpu.wait(f"{name} the host" if name == "to" else name)
        moving_to.append("cpu")
        try:
            copied = ToHost.apply(tensor)
            return copied.to(*rest, **others) if changes else copied
        finally:
            moving_to.pop()
    (gpu.copy if non_blocking else gpu.wait)(f"{name} the device")
    return ToDevice.apply(torch.Tensor.to(tensor, *rest, **others) if changes else tensor)


def parse_target(
    name: str, rest: list[Any], named: dict[str, Any]
) -> tuple[torch.device | None, list[Any], dict[str, Any]]:
    """Return the device that `to`, `cuda` or `cpu` names, and the arguments that do not name it."""
    if name in ("cuda", "cpu"):
        return (GPU if name == "cuda" else CPU), [], named
    others = {key: value for key, value in named.items() if key != "device"}
    if "device" in named:
        target = named["device"]
    elif rest and isinstance(rest[0], torch.Tensor):
        return rest[0].device, rest[1:], others | {"dtype": rest[0].dtype}
    elif rest and isinstance(rest[0], str | torch.device):
        target, rest = rest[0], rest[1:]
    else:
        return None, rest, named
    return (None if target is None else torch.device(target)), rest, others


class HostResults(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Put on the device what C++ makes by itself while it works on device tensors, such as the zeros of `one_hot`."""

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation."""
        out = operation(*args, **(kwargs or {}))
        if any(isinstance(leaf, torch.Tensor) for leaf in pytree.tree_leaves((args, kwargs))):
            return out
        return pytree.tree_map(appear, out)


def export_on_the_host(places: Sequence[tuple[Any, str]]) -> Any:
    """Return `torch.onnx.export` without the pretence. It traces in C++ and under modes of its own.

    Args:
        places: Owners and names of what the pretence replaces.
    """
    export: Any = torch.onnx.export
    originals = [(owner, name, getattr(owner, name)) for owner, name in places]

    def run(module: torch.nn.Module, args: Any, **options: Any) -> Any:
        if has_device_tensor((args, [*module.parameters()], [*module.buffers()])):
            raise Mixed("torch.onnx.export needs all tensors of a graph on the host")
        with ExitStack() as stack:
            for owner, name, value in originals:
                stack.enter_context(patch.object(owner, name, value))
            stack.enter_context(_pop_mode_temporarily())
            return export(module, args, **options)

    return run


class Autocast(torch.autocast):
    """Autocast to CUDA is that of the CPU; the lists of operations differ a little."""

    def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
        super().__init__("cpu" if device_type == "cuda" else device_type, *args, **kwargs)


def group_by_device(tensors: Any, with_indices: bool = False) -> Any:
    """Group tensors as torch does, by the device that they report."""
    groups = group_tensors(tensors, with_indices)
    return {(pytree.tree_leaves(one)[0].device, dtype): (one, rest) for (_, dtype), (one, rest) in groups.items()}


def arange_anywhere(*args: Any, **named: Any) -> Any:
    """Make a range; functions of torch that are written in Python ask for one while the mode is not active."""
    return make_on_device(arange, "arange", args, named) if is_cuda(named.get("device")) else arange(*args, **named)


@contextmanager
def pretend(ours: str = "/pipeline/", *, bfloat16: bool = False, free_bytes: int = 2**30) -> Iterator[PretendedGpu]:
    """Let torch see one CUDA device.

    Args:
        ours: Part of the file names whose lines the counts name.
        bfloat16: Whether the device supports bfloat16; without it, `auto` trains in float32, as on the CPU.
        free_bytes: Memory that the device says is free.
    """
    gpu = PretendedGpu(ours, lambda value: isinstance(value, DeviceTensor))
    enabled, compatible = torch.is_autocast_enabled, torch._has_compatible_shallow_copy_type

    def same_kind(tensor: torch.Tensor, other: torch.Tensor) -> bool:
        # `Module.to` replaces the values of a parameter in place if it can; here it cannot across the devices.
        return isinstance(tensor, DeviceTensor) == isinstance(other, DeviceTensor) and compatible(tensor, other)

    replaced: list[tuple[Any, str, Any]] = [
        (torch, "_has_compatible_shallow_copy_type", same_kind),
        (torch, "Generator", Generator),
        (cuda_graphs, "is_available", lambda device: False),
        (torch, "autocast", Autocast),
        (torch.amp, "autocast", Autocast),
        (torch, "is_autocast_enabled", lambda kind="cuda": enabled("cpu" if kind == "cuda" else kind)),
        # Tensors of this mode have no version counter, which wrappers need.
        (torch._C, "_InferenceMode", lambda mode: torch.no_grad() if mode else nullcontext()),
        (torch.Tensor, "pin_memory", lambda self: self),  # threads do not see the modes
        (torch.cuda, "is_available", lambda: True),
        (torch.cuda, "mem_get_info", lambda *_: (free_bytes, free_bytes)),
        (torch.cuda, "device_count", lambda: 1),
        (torch.cuda, "current_device", lambda: 0),
        (torch.cuda, "is_bf16_supported", lambda *_, **__: bfloat16),
        (torch.nn.utils.clip_grad, "_group_tensors_by_device_and_dtype", group_by_device),
        (torch.optim.Optimizer, "_accelerator_graph_capture_health_check", lambda self: None),
        (torch.backends.cudnn, "is_acceptable", lambda *_: False),  # asked by recurrent layers
        (torch, "arange", arange_anywhere),
        (torch.cuda, "empty_cache", lambda: None),
        (torch.cuda, "synchronize", lambda *_: None),
        (torch.cuda, "max_memory_allocated", lambda *_: 0),
        (torch.cuda, "manual_seed_all", gpu.generator.manual_seed),
        (torch.cuda, "get_rng_state", lambda *_: gpu.generator.get_state()),
        (torch.cuda, "set_rng_state", lambda state, *_: gpu.generator.set_state(state)),
    ]
    replaced.append((torch.onnx, "export", export_on_the_host([(owner, name) for owner, name, _ in replaced])))
    active.append(gpu)
    with ExitStack() as stack:
        for owner, name, value in replaced:
            stack.enter_context(patch.object(owner, name, value))
        stack.enter_context(FunctionMode())
        try:
            yield gpu
        finally:
            active.pop()
