"""Objects of a remote source, and parts of them, that any process reads by their address."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.errors import InputError

GAP = 64 * 2**10
"""Parts of one object with less than so many bytes between them are one request."""
REQUEST_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """The bytes of an object, or of a part of it. It loads itself like the files of other sources.

    Attributes:
        address: Address that fsspec understands.
        size: Number of bytes.
        start: Position of the first one; None for a whole object.
    """

    address: str
    size: int
    start: int | None = None

    def __len__(self) -> int:
        return self.size

    def __call__(self, limit: int) -> bytes:
        """Return the bytes. Raise Unreadable above `limit`, and InputError if the object cannot be read."""
        self.check_size(limit)
        return read_stored([self])[0]

    def check_size(self, limit: int) -> None:
        """Raise Unreadable if there are more than `limit` bytes."""
        from pipeline.data.sources.base import too_large

        if self.size > limit:
            raise too_large(limit)


@dataclass
class Request:
    """One request: the bytes from `start` to `end` of an object, or all of it (None)."""

    address: str
    start: int | None
    end: int | None

    def extend(self, part: StoredBytes) -> bool:
        """Include another part of the same object, if it follows closely. Return whether it does."""
        if part.start is None or self.start is None or self.end is None or part.address != self.address:
            return False
        end = part.start + part.size
        if not 0 <= part.start - self.end <= GAP or end - self.start > REQUEST_BYTES:
            return False
        self.end = end
        return True


def read_stored(parts: Sequence[StoredBytes]) -> list[bytes]:
    """Read objects and parts of objects, in few requests at the same time.

    Raises:
        InputError: An object cannot be read, or has changed since it was listed.
    """
    from fsspec.core import url_to_fs

    requests: list[Request] = []
    owners: list[int] = []
    for part in parts:
        if part.size and not (requests and requests[-1].extend(part)):
            end = None if part.start is None else part.start + part.size
            requests.append(Request(part.address, part.start, end))
        owners.append(len(requests) - 1)
    if not requests:
        return [b""] * len(parts)
    with explain_errors(requests[0].address):
        filesystem, _ = url_to_fs(requests[0].address)
        paths = [url_to_fs(request.address)[1] for request in requests]
        starts, ends = [request.start for request in requests], [request.end for request in requests]
        contents = filesystem.cat_ranges(paths, starts, ends, on_error="raise")
    return list(cut(parts, owners, requests, contents))


def cut(
    parts: Sequence[StoredBytes], owners: Sequence[int], requests: Sequence[Request], contents: Sequence[bytes]
) -> Iterator[bytes]:
    """Yield the bytes of each part from the answers to the requests."""
    for part, owner in zip(parts, owners, strict=True):
        if not part.size:
            yield b""
            continue
        offset = (part.start or 0) - (requests[owner].start or 0)
        data = bytes(contents[owner][offset:]) if part.start is None else contents[owner][offset : offset + part.size]
        if len(data) != part.size:
            raise InputError(
                f"data.source: {part.address}: has changed since it was listed: {len(data)} bytes instead of "
                f"{part.size}. Run the command again"
            )
        yield data


@contextmanager
def explain_errors(address: str) -> Iterator[None]:
    """Turn any error of a file system of fsspec into an InputError."""
    try:
        yield
    except InputError:
        raise
    except ImportError as error:
        raise InputError(
            f"data.source: {address}: {error}. Packages for object stores are optional: `pip install 'ganline[s3]'`, "
            "`[gs]` or `[az]`"
        ) from None
    except FileNotFoundError:
        raise InputError(
            f"data.source: {address}: no such file or folder. A folder on a web server ends in `/`"
        ) from None
    except Exception as error:  # noqa: BLE001 - each protocol has errors of its own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"data.source: {address}: cannot be read ({reason}). Check the address, the network and the credentials, "
            "then run the command again; complete files are kept"
        ) from None
