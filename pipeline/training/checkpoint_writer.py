"""Write the checkpoints of a training in a thread, while the training continues."""

import copy
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from torch import Tensor

from pipeline.training import checkpoint


class CheckpointWriter:
    """Writes one checkpoint after another. The training waits only for the copy to the host, and for a slow disk.

    Args:
        folder: Folder for the checkpoints of this training and no other.
        warn: Called with a message, in the training's thread, if a checkpoint could not be written.

    Attributes:
        saved_images: Images seen at the newest checkpoint that is known to be written.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self.folder, self.warn, self.saved_images = folder, warn, 0
        self.thread = ThreadPoolExecutor(1, "checkpoints")
        self.writing: tuple[int, Future[None]] | None = None

    def save(self, images_seen: int, state: checkpoint.State, marks: Mapping[str, int]) -> None:
        """Copy a state to the host and write it; `marks` are the images seen at the checkpoints to mark, by name."""
        self.wait()
        self.writing = images_seen, self.thread.submit(self.write, images_seen, copy_to_host(state), dict(marks))

    def write(self, images_seen: int, state: checkpoint.State, marks: Mapping[str, int]) -> None:
        """Write a checkpoint, then the marks. Raise WriteError if that fails."""
        checkpoint.save(self.folder, images_seen, state)
        for name, images in marks.items():
            if checkpoint.path_of(self.folder, images).exists():
                checkpoint.mark(self.folder, name, images)

    def wait(self) -> None:
        """Wait until the last checkpoint is written; if that failed, warn."""
        if self.writing is None:
            return
        (images_seen, writing), self.writing = self.writing, None
        try:
            writing.result()
            self.saved_images = images_seen
        except checkpoint.WriteError as error:
            self.warn(
                f"{error}. Training continues; the last checkpoint is at {self.saved_images:,} images, and the next "
                "one will be written when it is due"
            )


def copy_to_host(state: checkpoint.State) -> checkpoint.State:
    """Return a copy of a state that later steps do not change. The rows of its history are shared: none changes."""
    return {name: list(value) if name == "history" else copied(value) for name, value in state.items()}


def copied(value: Any) -> Any:
    """Copy tensors to the host, and the containers they are in; a state dictionary keeps its metadata."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, list | tuple):
        return type(value)(map(copied, value))
    if isinstance(value, dict):
        twin = copy.copy(value)
        twin.update({key: copied(one) for key, one in value.items()})
        return twin
    return value
