"""A folder of files at any depth, ordered by name."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.data.sources.base import SourceFile, Unreadable, read_at_most, refuse, too_large
from pipeline.data.sources.names import make_printable
from pipeline.files import is_litter


class Folder:
    """Files below a folder.

    Special files, links out of the folder and links to folders (which may form cycles) are never opened.
    """

    def __init__(self, path: Path) -> None:
        self.root = path.resolve()
        self.name = make_printable(self.root.name)

    def stream(self) -> Iterator[SourceFile]:
        """Yield all files."""
        yield from self.walk("")

    def walk(self, below: str) -> Iterator[SourceFile]:
        """Yield the files of a folder and of its subfolders."""
        try:
            with os.scandir(self.root / below) as entries:
                children = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield refuse(make_printable(below) or ".", f"the folder cannot be read: {error.strerror}")
            return
        for entry in children:
            if is_litter((entry.name,)):
                continue
            inner = f"{below}/{entry.name}" if below else entry.name
            path = make_printable(inner)
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
        """Return why a link is not followed; None for a link to a file inside the folder."""
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError):
            return "a link to a file that does not exist"
        if not target.is_relative_to(self.root):
            return "a link to a file outside the folder"
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
