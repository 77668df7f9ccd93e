"""What a source is: a named stream of items, walked once for its names and once for its bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Protocol


class Unreadable(Exception):
    """One item cannot be read; the message is the reason, without the item's name."""


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a source.

    `path` is its name inside the source with forward slashes, printable. `error` says why it must not be read (a link, a name that climbs out).
    `load(limit)` gives its bytes, at most `limit` of them, and raises Unreadable; it works until the next item is asked for.
    """

    path: str
    load: Callable[[int], bytes]
    error: str | None = None


class Source(Protocol):
    """`name` is what dataset.json records: no path of this machine."""

    name: str

    def stream(self) -> Iterator[Item]:
        """The items in the source's own order, the same at each call; junk of operating systems is left out. Raises InputError when broken."""


def refused(path: str, reason: str) -> Item:
    """An item that is recorded but never read."""

    def load(limit: int) -> bytes:
        raise Unreadable(reason)

    return Item(path, load, reason)


def read_at_most(file: IO[bytes], limit: int) -> bytes:
    """The whole of a file whose stated size may be a lie. Raises Unreadable over `limit` bytes."""
    data = file.read(limit + 1)
    if len(data) > limit:
        raise oversize(limit)
    return data


def oversize(limit: int) -> Unreadable:
    """The refusal of a file over data.limits.bytes."""
    return Unreadable(f"larger than data.limits.bytes ({limit} bytes)")
