"""A folder of files at any depth, ordered by name."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.data.sources.base import SourceFile, Unreadable, read_at_most, refuse, too_large
from pipeline.data.sources.names import make_printable
from pipeline.files import walk_files


class Folder:
    """Files below a folder."""

    def __init__(self, path: Path) -> None:
        self.root = path.resolve()
        self.name = make_printable(self.root.name)

    def stream(self) -> Iterator[SourceFile]:
        """Yield all files."""
        for path, problem in walk_files(self.root):
            name = make_printable(path)
            yield refuse(name, problem) if problem else SourceFile(name, functools.partial(load, str(self.root / path)))


def load(path: str, limit: int) -> bytes:
    """Return the bytes of one file. Raise Unreadable."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > limit:
                raise too_large(limit)
            return read_at_most(file, limit)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
