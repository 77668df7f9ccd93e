"""An observer for tests of the training loop."""

import math

from torch import Tensor

from pipeline.training.protocols import Row


class Watcher:
    """Record the reports of the loop, and stop it at a number of images."""

    def __init__(self, stop_at: float = math.inf) -> None:
        self.images_seen, self.stop_at = 0, stop_at
        self.rows: list[Row] = []
        self.snapshots: dict[int, Tensor] = {}
        self.warnings: list[str] = []
        self.notes: list[str] = []

    def on_step(self, images_seen: int) -> None:
        self.images_seen = images_seen

    def on_row(self, row: Row) -> None:
        self.rows.append(row)

    def on_snapshot(self, images_seen: int, images: Tensor) -> None:
        self.snapshots[images_seen] = images.clone()

    def on_note(self, message: str) -> None:
        self.notes.append(message)

    def on_warning(self, message: str) -> None:
        self.warnings.append(message)

    def stop(self) -> bool:
        return self.images_seen >= self.stop_at
