"""A source: a named stream of files, read once for the names and once for the bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Protocol


class Unreadable(Exception):
    """One file cannot be read; the message is the reason, without the file's name."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source.

    Attributes:
        path: Its name inside the source, with forward slashes, printable.
        load: Returns its bytes, at most so many, and raises Unreadable; valid until the next file is requested.
        error: Why it must not be read (a link, a name that leaves the source); None for a readable file.
    """

    path: str
    load: Callable[[int], bytes]
    error: str | None = None

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that the file lies in."""
        return tuple(self.path.split("/")[:-1])


class Source(Protocol):
    """Where files come from.

    Attributes:
        name: What dataset.json records: no path of this machine.
    """

    name: str

    def stream(self) -> Iterator[SourceFile]:
        """Yield the files in the source's own order, the same at every call, without what operating systems leave.

        Raises:
            InputError: The source is broken.
        """


def refuse(path: str, reason: str) -> SourceFile:
    """Return a file that is recorded but never read."""

    def load(limit: int) -> bytes:
        raise Unreadable(reason)

    return SourceFile(path, load, reason)


def read_at_most(file: IO[bytes], limit: int) -> bytes:
    """Read a whole file, whatever size its header states. Raise Unreadable over `limit` bytes."""
    data = file.read(limit + 1)
    if len(data) > limit:
        raise too_large(limit)
    return data


def too_large(limit: int) -> Unreadable:
    """Return the error for a file over data.limits.bytes."""
    return Unreadable(f"larger than data.limits.bytes ({limit} bytes)")
