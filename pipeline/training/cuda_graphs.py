"""Record operations on a CUDA device, and replay them with one launch."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch

Replay = Callable[[], None]
"""Repeats the recorded operations on the same memory, with new random numbers."""


class Recorder(Protocol):
    """Records operations without the host's decisions and numbers."""

    def aside(self) -> AbstractContextManager[None]:
        """Return the context for the ordinary runs before a recording."""
        ...

    def record(self, run: Callable[[], None]) -> Replay:
        """Record the operations of `run`, which are not executed."""
        ...


class CudaRecorder:
    """Captures CUDA graphs, all on one side stream.

    The stream's first use is an ordinary run, which lets cuBLAS allocate its workspace outside of any graph. Only
    operations of this thread are captured: a thread that copies batches does not disturb.

    Args:
        device: The device of the training.
        rng: The random generator of the training; replays advance it as ordinary runs do.
    """

    def __init__(self, device: torch.device, rng: torch.Generator) -> None:
        self.device, self.rng = device, rng
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Run on the side stream."""
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        try:
            with torch.cuda.stream(self.stream):
                yield
        finally:
            current.wait_stream(self.stream)

    def record(self, run: Callable[[], None]) -> Replay:
        """Capture the operations of `run`.

        Raises:
            RuntimeError: An operation cannot be captured, or memory does not suffice. Earlier graphs must not be
                replayed after that.
        """
        current = torch.cuda.current_stream(self.device)
        default = torch.cuda.default_generators[current.device_index]
        states = [(generator, generator.get_state()) for generator in (self.rng, default)]
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.rng)
        try:
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                run()
        except RuntimeError:
            # A broken capture leaves the stream current, and generators that wait for its end.
            torch.cuda.set_stream(current)
            for generator, state in states:
                generator.graphsafe_set_state(torch.Generator(self.device).set_state(state))
            raise
        replay: Replay = graph.replay
        return replay


def is_available(device: torch.device) -> bool:
    """Return whether operations on a device can be recorded."""
    return device.type == "cuda"
