"""Several processes that train one model, as torchrun starts them, and what they exchange.

Without other processes, every function here returns its argument.
"""

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from pipeline.errors import TrainingFailed

Value = TypeVar("Value")

TIMEOUT = timedelta(hours=2)
"""The first process measures and saves alone, and the others wait for it. A process that ended is noticed at once."""


def join() -> None:
    """Join the other processes of torchrun's environment, if there are any."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        # Numbers of the host and of the device take different ways.
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        exchange(lambda: dist.init_process_group(backend, timeout=TIMEOUT))


def leave() -> None:
    """Leave the group; the other processes may still compute."""
    if count() > 1:
        dist.destroy_process_group()


def count() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Return whether this is the process that measures, reports and saves."""
    return rank() == 0


def exchange(action: Callable[[], Value]) -> Value:
    """Run a collective operation. Raise TrainingFailed if another process has ended."""
    try:
        return action()
    except (RuntimeError, ValueError) as error:
        raise TrainingFailed(
            f"process {rank()} of this training has lost the others ({str(error).splitlines()[0][:120]}). One of them "
            "has ended, and says why if it could. Run the same command again: it resumes from the last checkpoint"
        ) from None


def add_up(values: Tensor) -> Tensor:
    """Replace a tensor by its sum over all processes, in place."""
    if count() > 1:
        exchange(lambda: dist.all_reduce(values))
    return values


def average(tensors: Sequence[Tensor]) -> None:
    """Replace tensors by their means over all processes, in place and in one exchange."""
    if count() > 1 and tensors:
        flat = add_up(torch.cat([tensor.flatten() for tensor in tensors])).div_(count())
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        torch._foreach_copy_(list(tensors), [p.view_as(t) for p, t in zip(parts, tensors, strict=True)])


def share(values: Tensor) -> Tensor:
    """Replace a tensor by that of the first process, in place."""
    if count() > 1:
        exchange(lambda: dist.broadcast(values, src=0))
    return values


def send(content: bytes, source: int, target: int) -> bytes:
    """Send bytes from one process to another; only these two call this. Return what has arrived, in the other b""."""
    values: list[Any] = [content]
    cpu = torch.device("cpu")
    if rank() == source:
        exchange(lambda: dist.send_object_list(values, dst=target, device=cpu))
        return b""
    exchange(lambda: dist.recv_object_list(values, src=source, device=cpu))
    received: bytes = values[0]
    return received


def all_of(value: Value) -> list[Value]:
    """Return the values of all processes, in their order."""
    values: list[Any] = [value] * count()
    if count() > 1:
        exchange(lambda: dist.all_gather_object(values, value))
    return values


def home_of_worker(number: int) -> int:
    """Return the process of a worker that has data of its own; of several processes, the first one has none."""
    return 0 if count() == 1 else 1 + number % (count() - 1)


def any_of(flag: bool) -> bool:
    """Return whether a flag is set in any process."""
    return bool(add_up(torch.tensor(int(flag)))) if count() > 1 else flag


def from_first(compute: Callable[[], Value]) -> Value:
    """Return what `compute` returns in the first process; the others do not run it."""
    if count() == 1:
        return compute()
    values: list[Any] = [compute() if is_first() else None]
    exchange(lambda: dist.broadcast_object_list(values, src=0, device=torch.device("cpu")))
    value: Value = values[0]
    return value


def require_equal(tensors: Sequence[Tensor]) -> None:
    """Raise TrainingFailed if these tensors differ between the processes."""
    if count() == 1:
        return
    sums = torch.stack([tensor.detach().double().sum().cpu() for tensor in tensors])
    first = from_first(sums.clone)
    if any_of(not torch.equal(first.nan_to_num(), sums.nan_to_num())):
        raise TrainingFailed(
            "the weights of the processes differ, so the training is no longer the one that was configured. Train in "
            "one process, and report this with params.yaml"
        )


class AllSum(torch.autograd.Function):
    """The sum over all processes; differentiable any number of times."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return add_up(values.clone(memory_format=torch.contiguous_format))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        result: Tensor = AllSum.apply(gradient)
        return result
