"""A folder of files, at any depth, in order of their names."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.data.sources.base import SourceFile, Unreadable, read_at_most, refuse, too_large
from pipeline.data.sources.names import litter, printable


class Folder:
    """Files below one folder.

    Links that leave it, links to folders (they may form cycles) and special files are refused, never opened.
    """

    def __init__(self, path: Path) -> None:
        self.root = path.resolve()
        self.name = printable(self.root.name)

    def stream(self) -> Iterator[SourceFile]:
        """Yield all files."""
        yield from self.walk("")

    def walk(self, below: str) -> Iterator[SourceFile]:
        """Yield the files of one folder and of those in it."""
        try:
            with os.scandir(self.root / below) as entries:
                children = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield refuse(printable(below) or ".", f"the folder cannot be read: {error.strerror}")
            return
        for entry in children:
            if litter((entry.name,)):
                continue
            inner = f"{below}/{entry.name}" if below else entry.name
            path = printable(inner)
            if entry.is_symlink():
                problem = self.link_problem(Path(entry.path))
                yield refuse(path, problem) if problem else SourceFile(path, functools.partial(load, entry.path))
            elif entry.is_dir(follow_symlinks=False):
                yield from self.walk(inner)
            elif entry.is_file(follow_symlinks=False):
                yield SourceFile(path, functools.partial(load, entry.path))
            else:
                yield refuse(path, "not a regular file (a pipe, a socket or a device)")

    def link_problem(self, link: Path) -> str | None:
        """Return why a link is not followed; None for one to a file inside the folder."""
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError):
            return "a link that leads nowhere"
        if not target.is_relative_to(self.root):
            return "a link that leaves the folder"
        return None if target.is_file() else "a link to a folder or a special file is not followed"


def load(path: str, limit: int) -> bytes:
    """Return the bytes of one file. Raise Unreadable."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > limit:
                raise too_large(limit)
            return read_at_most(file, limit)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
