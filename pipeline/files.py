"""Files that neither a crash nor another process can spoil: written whole or not at all, or held by one process alone."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import InputError


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """After this returns the file is on disk whole, under its name, even if the power fails; before, whatever was there stays.

    Raises OSError that names `path`, with nothing left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Brings a folder's list of names to disk: until then a rename may be forgotten in a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_partial(folder: Path) -> None:
    """Removes what processes that were killed in `write_atomically` left in `folder`; nobody else may be writing there."""
    for path in folder.glob(".*.*[0-9]"):
        path.unlink(missing_ok=True)


@contextmanager
def held(path: Path, doing: str) -> Iterator[None]:
    """Within the context no other process gets past `held` on the same file; the kernel lets go when this one ends, however it does.

    Raises InputError at once where another process has it, with that process's number.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); mend the folder's permissions or make room on its disk"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            number = file.read().strip()
            way_out = f"wait for it, or stop it with `kill {number}`" if number else "wait for it"
            raise InputError(
                f"{path}: {f'process {number}' if number else 'another process'} is {doing} in this checkout; {way_out}"
            ) from None
        except OSError as error:
            raise InputError(
                f"{path}: cannot be locked ({error.strerror}); put the checkout on a file system that has locks"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Within the context this process is the only one that is within it for this folder; others wait. Where a folder cannot be locked nobody waits."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
