"""A folder of files at any depth, ordered by name."""

import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.data.sources.base import SourceFile, Unreadable, read_at_most, refuse, too_large
from pipeline.data.sources.names import make_printable
from pipeline.files import OUTSIDE, walk_files


class Folder:
    """Files below a folder.

    Args:
        path: The folder.
        linked: Folders outside of it that its symbolic links may lead to.
    """

    def __init__(self, path: Path, linked: Sequence[Path] = ()) -> None:
        self.root = path.resolve()
        self.name = make_printable(self.root.name)
        self.linked = linked

    def stream(self) -> Iterator[SourceFile]:
        """Yield all files."""
        for path, problem in walk_files(self.root, linked=self.linked):
            name = make_printable(path)
            if problem == OUTSIDE:
                problem += ": data.links names folders that links may lead to"
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
