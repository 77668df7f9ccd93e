"""Folders of files as one file each, for media whose items are folders, such as the frames of a clip."""

import functools
import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace

from pipeline.data.sources.base import Source, SourceFile, Unreadable, refuse, too_large
from pipeline.media.bundle import natural_key, pack

SCATTERED = (
    "its files are not next to each other in the source: a folder that is one item holds no other folders, and an "
    "archive lists it in one go"
)


class FolderBundles:
    """A source whose folders are files: the bundles of what they hold, ordered by the numbers in the names.

    Args:
        source: The source of the single files.
        limit: Largest bundle in bytes.
        names_only: Whether the files are only listed, and not read.
    """

    def __init__(self, source: Source, limit: int, *, names_only: bool = False) -> None:
        self.source, self.limit, self.names_only = source, limit, names_only
        self.name = source.name

    def stream(self) -> Iterator[SourceFile]:
        """Yield one file for each folder that holds files."""
        known: set[str] = set()
        for folder, files in itertools.groupby(self.source.stream(), key=lambda file: os.path.dirname(file.path)):
            path = folder or self.name
            if folder in known:
                yield refuse(path, SCATTERED)
            else:
                yield self.bundle(path, files)
            known.add(folder)

    def bundle(self, path: str, files: Iterable[SourceFile]) -> SourceFile:
        """Return the bundle of the files of one folder; these can only be read one after the other."""
        first: SourceFile | None = None
        parts: list[tuple[str, bytes]] = []
        problem, size = None, 0
        for file in files:
            first = first or file
            if self.names_only or problem is not None:
                continue
            name = os.path.basename(file.path)
            try:
                if file.error is not None:
                    raise Unreadable(file.error)
                data = file.load(self.limit)
            except Unreadable as error:
                problem = Unreadable(f"{name}: {error}")
                continue
            size += len(data)
            if size > self.limit:
                problem, parts = too_large(self.limit), []
            parts.append((name, data))
        assert first is not None
        parts.sort(key=lambda part: natural_key(part[0]))
        meaning = first.meaning
        return replace(first, path=path, load=functools.partial(load, parts, problem), error=None, meaning=meaning)


def load(parts: list[tuple[str, bytes]], problem: Unreadable | None, limit: int) -> bytes:
    """Return the bundle. Raise Unreadable if one of the files could not be read."""
    if problem is not None:
        raise problem
    return pack(parts)
