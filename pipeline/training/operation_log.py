"""A log of the device operations of one run, which shows whether a recording of them could be replayed.

A replay repeats the operations on the same memory with the same numbers of the host. So nothing may go through the
host, and two runs must issue the same operations, with the same numbers, on the same memory from before the run.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
INDEXING = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default, aten._index_put_impl_.default}
PROJECT, OWN = "/pipeline/", "/pipeline/training/"


class Entry(NamedTuple):
    """One operation: its name and numbers, the memory from before the run that it uses, and the line that asks for it.

    Attributes:
        operation: Name in torch.
        numbers: Everything that is not a tensor of the device, and the shapes of the tensors.
        memory: For each tensor of the device, the identity of its memory; 0 if the run itself has allocated it.
        line: Innermost line of the project outside the training loop; empty in a backward pass.
    """

    operation: str
    numbers: tuple[str, ...]
    memory: tuple[int, ...]
    line: str


class OperationLog(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within the context, logs all operations.

    Args:
        device: The device of the training.

    Attributes:
        entries: The operations so far.
        obstacle: The first operation that cannot be replayed, in words; empty if there is none.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kind = device.type
        self.entries: list[Entry] = []
        self.obstacle = ""
        self.allocated: dict[int, StorageWeakRef] = {}
        self.before: dict[int, StorageWeakRef] = {}

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run and log an operation."""
        kwargs = kwargs or {}
        result = operation(*args, **kwargs)
        if operation.namespace != "profiler":  # marks of optimizers, for a profiler
            self.note(operation, pytree.tree_leaves((args, kwargs)), pytree.tree_leaves(result))
        return result

    def note(self, operation: Any, given: list[Any], results: list[Any]) -> None:
        """Log an operation with its arguments and results."""
        before = [value for value in given if isinstance(value, Tensor)]
        after = [value for value in results if isinstance(value, Tensor)]
        mine = [value for value in before if self.on_device(value)]
        line = locate()
        if not self.obstacle and (reason := self.refuse(operation, given, mine, after)):
            self.obstacle = f"{reason}, {line or 'backward pass'}"
        known = {identify(value): hold_number(value) for value in mine}
        memory = tuple(0 if (one := identify(value)) in self.allocated else one for value in mine)
        self.before |= {one: known[one] for one in memory if one}
        self.entries.append(Entry(str(operation), tuple(self.describe(value) for value in given), memory, line))
        for value in after:
            if self.on_device(value) and (one := identify(value)) not in known:
                self.allocated[one] = hold_number(value)

    def on_device(self, value: Tensor) -> bool:
        """Return whether a tensor is on the device of the training."""
        return value.device.type == self.kind

    def refuse(self, operation: Any, given: list[Any], mine: list[Tensor], after: list[Tensor]) -> str:
        """Return why an operation cannot be replayed; empty if it can."""
        name = str(operation).removeprefix(f"{operation.namespace}.").partition(".")[0]
        if operation.namespace == "c10d":
            return f"exchanges numbers with other processes: {name}"
        tags = operation.tags
        waits = bool(mine) and self.kind != "cpu"
        if operation in INDEXING:
            masks = [value for value in mine[1:] if value.dtype in (torch.bool, torch.uint8)]
            return f"waits for the device: {name} by a mask" if waits and masks else ""
        if waits and (torch.Tag.data_dependent_output in tags or torch.Tag.dynamic_output_shape in tags):
            return f"waits for the device: {name}"
        strangers = [value for value in given if isinstance(value, Tensor) and not self.on_device(value)]
        if mine and (any(value.ndim for value in strangers) or any(not self.on_device(value) for value in after)):
            return f"copies between host and device: {name}"
        if not mine and strangers and any(self.on_device(value) for value in after):
            return f"copies between host and device: {name}"
        drawn = torch.Tag.nondeterministic_seeded in tags
        if drawn and self.kind != "cpu" and any(not self.on_device(value) for value in after):
            return f"draws random numbers on the host: {name}"
        return ""

    def describe(self, value: Any) -> str:
        """Return what a replay could not change in an argument."""
        if not isinstance(value, Tensor):
            return value.device.type if isinstance(value, torch.Generator) else repr(value)
        if self.on_device(value) or value.ndim:
            return f"{value.dtype} {tuple(value.shape)}"
        return repr(value.item())


def identify(value: Tensor) -> int:
    """Return a number that tensors share if they share their memory."""
    return int(value.untyped_storage()._cdata)


def hold_number(value: Tensor) -> StorageWeakRef:
    """Return a weak reference to a tensor's memory. No other memory gets its number as long as it is held."""
    reference: StorageWeakRef = StorageWeakRef(value.untyped_storage())  # type: ignore[no-untyped-call]
    return reference


def locate() -> str:
    """Return the innermost line of the project on the stack, outside the training loop; empty if there is none."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        file = frame.f_code.co_filename
        if PROJECT in file and OWN not in file:
            return f"{file.rpartition(PROJECT)[2]}:{frame.f_lineno}"
    return ""


def difference(first: OperationLog, second: OperationLog) -> str:
    """Return what differs between two runs, in words; empty if a recording of one could replay the other."""
    for before, now in zip(first.entries, second.entries, strict=False):
        place = f"{now.operation.removeprefix('aten.').partition('.')[0]}, {now.line or 'backward pass'}"
        if before.operation != now.operation:
            return f"its operations change from run to run: {place}"
        if before.numbers != now.numbers:
            return f"a number on the host changes from run to run: {place}"
        if before.memory != now.memory:
            return f"it uses a tensor that is not part of the model: {place}"
    return "" if len(first.entries) == len(second.entries) else "its operations change from run to run"
