"""Atomic writes and locks, which neither a crash nor another process can damage; and names that are not data."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import InputError

LITTER = frozenset(
    {
        *("__macosx", "icon\r"),  # macOS
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "zbthumbnail.info"),  # Windows
        *("$recycle.bin", "recycler", "system volume information", "found.000"),  # Windows drives
        *("@eadir", "@tmp", "@recycle", "#recycle", "#snapshot", "@sharebin"),  # Synology and QNAP
        *("lost+found", "picasa.ini", "__pycache__"),
    }
)
"""Names of files and folders, in lower case, that operating systems, storage devices and programs create."""


def is_litter(parts: tuple[str, ...]) -> bool:
    """Return whether a path has a part that is hidden or that no user created, such as .DS_Store or @eaDir."""
    return any(part.startswith(".") or part.casefold() in LITTER for part in parts)


OUTSIDE = "a link to a place outside the folder"
"""Why `walk_files` does not follow a link that leaves the folder."""


def walk_files(root: Path, linked: Sequence[Path] = ()) -> Iterator[tuple[str, str | None]]:
    """Yield the files at any depth, ordered by name: the path below `root`, and why it must not be read, or None.

    Litter is skipped. Symbolic links are followed to files and folders inside `root` or inside one of the folders
    `linked`. Special files and other links must not be read.
    """
    reachable = tuple(folder.resolve() for folder in (root, *linked))
    yield from walk_below(root, "", reachable, reachable[:1])


def walk_below(
    root: Path, below: str, reachable: Sequence[Path], above: tuple[Path, ...]
) -> Iterator[tuple[str, str | None]]:
    """Yield the files of one folder, as `walk_files` does; `above` are the real paths of it and of those above it."""
    try:
        with os.scandir(root / below) as entries:
            children = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield below or ".", f"the folder cannot be read: {error.strerror}"
        return
    for entry in children:
        if is_litter((entry.name,)):
            continue
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.is_symlink() and (problem := link_problem(Path(entry.path), reachable, above)):
            yield path, problem
        elif entry.is_dir():
            yield from walk_below(root, path, reachable, (*above, Path(entry.path).resolve()))
        else:
            yield path, None if entry.is_file() else "not a regular file (a pipe, a socket or a device)"


def link_problem(link: Path, reachable: Sequence[Path], above: Sequence[Path]) -> str | None:
    """Return why a link is not followed; None if it is."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return "a link to a file that does not exist"
    if target in above:
        return "a link to a folder that contains it is not followed"
    return None if any(target.is_relative_to(folder) for folder in reachable) else OUTSIDE


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Write a file so that it has either its old or its new content, even after a power failure.

    Raises:
        OSError: The file cannot be written. The error names `path`, and no temporary file is left.
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
    """Flush a folder's entries to disk; until then a power failure can undo a rename."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_partial(folder: Path) -> None:
    """Remove temporary files left by killed processes. No other process may be writing to `folder`."""
    for path in folder.glob(".*.*[0-9]"):
        path.unlink(missing_ok=True)


@contextmanager
def exclusive_lock(path: Path, activity: str) -> Iterator[None]:
    """Hold an exclusive lock on a file; the kernel releases it when the process ends.

    Args:
        path: The lock file. It contains the process id of the holder.
        activity: What the holder does, for the error message, such as "training".

    Raises:
        InputError: Another process holds the lock, or the file cannot be locked.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); correct the folder's permissions or make room on its disk"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            number = file.read().strip()
            way_out = f"wait for it, or stop it with `kill {number}`" if number else "wait for it"
            holder = f"process {number}" if number else "another process"
            raise InputError(f"{path}: {holder} is {activity} in this checkout; {way_out}") from None
        except OSError as error:
            raise InputError(
                f"{path}: cannot be locked ({error.strerror}); use a file system that supports locks"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Wait for an exclusive lock on a folder and hold it. Does nothing if the folder cannot be locked."""
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
