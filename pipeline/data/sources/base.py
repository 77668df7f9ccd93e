"""A source: a named stream of files, which is read twice, for the names and for the bytes."""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Protocol


class Unreadable(Exception):
    """One file cannot be read; the message is the reason, without the file's name."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source.

    Attributes:
        path: Printable name inside the source, with forward slashes.
        load: Returns the bytes, up to a limit, or raises Unreadable; valid until the next file is requested.
        error: Why it must not be read (a link, a path outside the source); None for a readable file.
        meaning: Folders that stand for split and class, if they are not those of the path.
        caption: Text that describes the file.
    """

    path: str
    load: Callable[[int], bytes]
    error: str | None = None
    meaning: tuple[str, ...] | None = None
    caption: str | None = None

    @property
    def folders(self) -> tuple[str, ...]:
        """Names of the folders above the file, in Unicode's composed form: macOS stores accented letters as two."""
        if self.meaning is not None:
            return self.meaning
        return folders_of(self.path)


def folders_of(path: str) -> tuple[str, ...]:
    """Return the names of the folders above a file, in Unicode's composed form."""
    return tuple(unicodedata.normalize("NFC", path).split("/")[:-1])


class Source(Protocol):
    """A stream of files.

    Attributes:
        name: Name in dataset.json, without a path of this machine.
    """

    name: str

    def stream(self) -> Iterator[SourceFile]:
        """Yield the files in the order of the source, which is the same for each call.

        Files that operating systems create, such as .DS_Store, are left out.

        Raises:
            InputError: The source is broken.
        """


def refuse(path: str, reason: str) -> SourceFile:
    """Return a file that is recorded with a reason but never read."""

    def load(limit: int) -> bytes:
        raise Unreadable(reason)

    return SourceFile(path, load, reason)


def read_at_most(file: IO[bytes], limit: int) -> bytes:
    """Read a whole file, regardless of the size in its header. Raise Unreadable above `limit` bytes."""
    data = file.read(limit + 1)
    if len(data) > limit:
        raise too_large(limit)
    return data


def too_large(limit: int) -> Unreadable:
    """Return the error for a file above data.limits.bytes."""
    return Unreadable(f"larger than data.limits.bytes ({limit} bytes)")
