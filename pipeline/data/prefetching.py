"""Open the batches of a training: on its device, or prepared on the host by a thread while the device computes."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch import Tensor

from pipeline import processes
from pipeline.data.batch_sampling import RESIDENT_BYTES, TrainingItems, UncroppedItems, count_bytes
from pipeline.data.transfer import copy_to
from pipeline.data.worker_shards import WorkerShards

CPU = torch.device("cpu")

SHARE = 0.25
"""Share of a GPU's free memory that training items may take."""


class HostView(Protocol):
    """A view of the data; `pipeline.data.views` has some."""

    def next(self, n: int) -> dict[str, Tensor]:
        """Return the next batch of `n` items."""
        ...

    def state(self) -> dict[str, object]:
        """Return the state that `restore` accepts."""
        ...

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue from a state."""
        ...


def open_batches(
    kind: Callable[..., HostView],
    data: TrainingItems,
    device: torch.device,
    seed: int,
    *,
    on_host: bool,
    **options: Any,
) -> HostView:
    """Open a view whose batches are on `device`.

    Args:
        kind: The view.
        data: The training items.
        device: Device of the training.
        seed: Seed of the view.
        on_host: The view must compute on the host. So must one of crops, or of items that do not fit on the device.
        options: Further options of the view.
    """
    if device.type == "cpu":
        return kind(data, device, seed, **options)
    most = device_bytes(device)
    if on_host or isinstance(data, UncroppedItems) or count_bytes(data) > most:
        return Prefetched(kind(data, CPU, seed, **options), device)
    return kind(data, device, seed, resident_bytes=most, **options)


def device_bytes(device: torch.device) -> int:
    """Return how many bytes of training items may stay on a device."""
    if device.type != "cuda":
        return RESIDENT_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    return int(SHARE * free)


class Prefetched:
    """The batches of a view of the host, on a device. A thread prepares the next one, in pinned memory for CUDA.

    Args:
        view: A view of the host. An error in it is raised by `next`.
        device: Device of the batches.
    """

    def __init__(self, view: HostView, device: torch.device) -> None:
        self.view, self.device = view, device
        # The workers of several processes exchange their states, which must not happen in a thread.
        self.ahead = processes.count() == 1 or not isinstance(view, WorkerShards)
        self.thread = ThreadPoolExecutor(1, "batches")
        self.coming: tuple[int, Future[dict[str, Tensor]]] | None = None
        self.before: dict[str, object] = {}

    def next(self, n: int) -> dict[str, Tensor]:
        """Return the next batch of `n` items."""
        if self.coming is not None and self.coming[0] != n:
            self.restore(self.state())
        batch = self.prepare(n) if self.coming is None else self.coming[1].result()
        self.coming = None
        if self.ahead:
            self.before = self.view.state()
            self.coming = n, self.thread.submit(self.prepare, n)
        return {name: copy_to(self.device, values) for name, values in batch.items()}

    def prepare(self, n: int) -> dict[str, Tensor]:
        """Draw a batch on the host."""
        batch = self.view.next(n)
        return {name: values.pin_memory() for name, values in batch.items()} if self.device.type == "cuda" else batch

    def state(self) -> dict[str, object]:
        """Return the state after the last batch that `next` returned."""
        return self.view.state() if self.coming is None else self.before

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue from a state."""
        if self.coming is not None:
            self.coming[1].exception()  # the thread must have finished
            self.coming = None
        self.view.restore(state)
