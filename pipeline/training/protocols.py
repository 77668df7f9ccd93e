"""What the training loop needs from outside: batches, and an observer that reports progress."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from pipeline.gans.base import Batch

Row = dict[str, float]
"""One row of the curves: step, images, seconds, images_per_second, learning rates, loss terms and gradient norms."""


class Batches(Protocol):
    """An endless and resumable source of training batches, such as the views of `pipeline.data`."""

    def next(self, n: int) -> Batch:
        """Return the next batch of `n` items, on the device of the training."""
        ...

    def state(self) -> dict[str, object]:
        """Return the position in the data, for a checkpoint."""
        ...

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue from what `state` returned."""
        ...


class Observer(Protocol):
    """Callbacks of the training loop; none of them may change the training."""

    def on_step(self, images_seen: int) -> None:
        """Run after every step."""
        ...

    def on_row(self, row: Row) -> None:
        """Run every `log_images`, with the means since the last row."""
        ...

    def on_snapshot(self, images_seen: int, images: Tensor) -> None:
        """Run every `snapshot_images`, with the preview of the EMA networks, float [n, C, H, W] in [-1, 1]."""
        ...

    def on_note(self, message: str) -> None:
        """Run if there is something to know about how training runs."""
        ...

    def on_warning(self, message: str) -> None:
        """Run if something went wrong that training survives."""
        ...
