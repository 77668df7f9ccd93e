"""Who the tests of trainings put beside them."""

import math

from torch import Tensor

from pipeline.training.loop import Row


class Watcher:
    """Remembers what the loop reports; asks it to stop at an image count."""

    def __init__(self, stop_at: float = math.inf) -> None:
        self.seen, self.stop_at = 0, stop_at
        self.rows: list[Row] = []
        self.snapshots: dict[int, Tensor] = {}
        self.warnings: list[str] = []

    def advanced(self, images_seen: int) -> None:
        self.seen = images_seen

    def measured(self, row: Row) -> None:
        self.rows.append(row)

    def snapshot(self, images_seen: int, images: Tensor) -> None:
        self.snapshots[images_seen] = images.clone()

    def warned(self, message: str) -> None:
        self.warnings.append(message)

    def stop(self) -> bool:
        return self.seen >= self.stop_at
