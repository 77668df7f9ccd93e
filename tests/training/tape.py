"""Record and replay operations on any device, as a CUDA graph does: on the same memory, without Python."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.training.cuda_graphs import Replay
from pipeline.training.loop import Trainer


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within the context, records operations with their tensors."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: list[tuple[Any, Any, Any, list[Tensor]]] = []

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run and record an operation."""
        kwargs = kwargs or {}
        result = operation(*args, **kwargs)
        if torch.Tag.inplace_view not in operation.tags:  # changes a shape, once and for all
            args, kwargs = pytree.tree_map(lambda value: value, (args, kwargs))  # lists may change later
            written = [torch.ops.aten.alias.default(value) for value in tensors_of(result)]
            self.steps.append((operation, args, kwargs, written))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        """Repeat the operations; their results replace the recorded ones in their memory."""
        for operation, args, kwargs, written in self.steps:
            for old, new in zip(written, tensors_of(operation(*args, **kwargs)), strict=True):
                if old.untyped_storage()._cdata != new.untyped_storage()._cdata:
                    old.copy_(new)


def tensors_of(values: Any) -> list[Tensor]:
    """Return the tensors among nested values."""
    return [leaf for leaf in pytree.tree_leaves(values) if isinstance(leaf, Tensor)]


class TapeRecorder:
    """Records the phases of a trainer on the CPU. Recording changes neither buffers nor random numbers."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.replays = 0

    def aside(self) -> AbstractContextManager[None]:
        return nullcontext()

    def record(self, run: Callable[[], None]) -> Replay:
        undo, tape = self.trainer.accumulator.remember(self.trainer.rng), Tape()
        with tape:
            run()
        undo()

        def replay() -> None:
            self.replays += 1
            tape.replay()

        return replay
