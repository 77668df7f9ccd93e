"""The source of the served model."""

import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Protocol

from pipeline.errors import InputError
from pipeline.serving.http.loaded_model import ModelFile, sha256_of
from pipeline.serving.runtime.generator import read_model


class Source(Protocol):
    """A place that holds one model at a time."""

    def revision(self) -> Hashable:
        """Return a value that changes with the model; fast.

        Raises InputError if there is no model or the place does not respond.
        """

    def fetch(self) -> ModelFile:
        """Return the current model. Raises InputError as `revision` does."""


class FileSource:
    """An exported generator.onnx, which may be replaced or overwritten while it is served.

    Attributes:
        last: The state of the file at the last look.
        settled: The last state that two looks agreed on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last: Hashable = None
        self.settled: Hashable = None

    def revision(self) -> Hashable:
        """Return the state of the file, once two looks in a row agree on it: a file that changes is being written."""
        state = self.look()
        if state == self.last or self.settled is None:
            self.settled = state
        self.last = state
        return self.settled

    def look(self) -> Hashable:
        """Return the times, size and inode of the file. The change time cannot be set back, unlike the others."""
        try:
            status = self.path.stat()
        except OSError as error:
            raise InputError(
                f"{self.path}: {(error.strerror or 'cannot be read').lower()}. Run `dvc repro` to export it, or choose "
                "another with --model."
            ) from None
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{self.path}: not a regular file. Choose an exported graph with --model.")
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_dev, status.st_ino

    def fetch(self) -> ModelFile:
        """Read the file; its version is the start of its checksum. Raises InputError if it changes meanwhile."""
        content = read_model(self.path)
        if self.look() != self.settled:
            raise InputError(f"{self.path}: changed while it was read. It is read again when its writer has finished.")
        return ModelFile(self.path.stem, sha256_of(content)[:12], self.path, content)
