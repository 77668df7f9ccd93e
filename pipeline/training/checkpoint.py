"""Checkpoints: written atomically, verified when read, and loaded without unpickling code.

A folder holds the checkpoints of one training, named by images seen. Each file ends with the sha256 of its content, so
one rename publishes both. A corrupted file is skipped in favour of the previous one. A mark is a small file that names
a checkpoint, such as the best one; marked checkpoints are kept.
"""

import hashlib
import io
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch

from pipeline.files import remove_partial, write_atomically

State = dict[str, Any]

DIGEST_SIZE = hashlib.sha256().digest_size


class WriteError(Exception):
    """A checkpoint could not be written; earlier ones are unchanged."""


def save(folder: Path, images_seen: int, state: State, *, keep: int = 2) -> Path:
    """Write a checkpoint, and remove all but the newest `keep` and the marked ones.

    Args:
        folder: Folder of the training.
        images_seen: Names the checkpoint.
        state: Tensors, numbers, strings, and containers of them.
        keep: Number of checkpoints to keep.

    Raises:
        WriteError: The file cannot be written, for example because the disk is full.
    """
    path = path_of(folder, images_seen)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.write(hashlib.sha256(buffer.getbuffer()).digest())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_partial(folder)
        write_atomically(path, buffer.getbuffer())
        marked = {marked_path(mark) for mark in folder.glob("*.mark")}
        for old in sorted(folder.glob("*.pt"))[:-keep]:
            if old not in marked:
                old.unlink()
    except OSError as error:
        raise WriteError(
            f"{path}: cannot be written ({error.strerror}); it needs {buffer.tell() / 2**20:.1f} MiB"
        ) from None
    return path


def path_of(folder: Path, images_seen: int) -> Path:
    """Return the path of a checkpoint."""
    return folder / f"{images_seen:012d}.pt"


def newest(folder: Path) -> int:
    """Return the images seen at the newest checkpoint; 0 if there is none."""
    return max((int(path.stem) for path in folder.glob("*.pt")), default=0)


def load_latest(folder: Path) -> tuple[State | None, list[Path]]:
    """Load the newest valid checkpoint.

    Returns:
        Its state, None if there is none, and the paths of corrupted checkpoints that were skipped.
    """
    corrupted: list[Path] = []
    for path in sorted(folder.glob("*.pt"), reverse=True):
        state = read(path)
        if state is not None:
            return state, corrupted
        corrupted.append(path)
    return None, corrupted


def read(path: Path) -> State | None:
    """Load a checkpoint on the CPU. None if it is missing, corrupted, or holds more than plain data."""
    try:
        data = path.read_bytes()
        content = memoryview(data)[:-DIGEST_SIZE]
        if hashlib.sha256(content).digest() != data[-DIGEST_SIZE:]:
            return None
        state: State = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
        return None
    return state


def mark(folder: Path, name: str, images_seen: int) -> None:
    """Mark a checkpoint, such as "best"; the name's previous checkpoint is no longer marked.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        WriteError: The mark cannot be written; it stays where it was.
    """
    path, target = folder / f"{name}.mark", path_of(folder, images_seen)
    if not target.exists():
        raise FileNotFoundError(target)
    if marked_path(path) == target:
        return
    try:
        write_atomically(path, str(images_seen).encode())
    except OSError as error:
        raise WriteError(f"{path}: cannot be written ({error.strerror})") from None


def read_marked(folder: Path, name: str) -> State | None:
    """Load the checkpoint that is marked with `name`. None if there is none, or it is corrupted."""
    path = marked_path(folder / f"{name}.mark")
    return read(path) if path else None


def marked_path(mark: Path) -> Path | None:
    """Return the checkpoint that a mark names. None if the mark is missing or corrupted."""
    try:
        return path_of(mark.parent, int(mark.read_text()))
    except (OSError, ValueError):
        return None


def prune(trainings: Path, current: Path, *, keep: int = 5) -> None:
    """Remove the folders of other trainings except `current` and the `keep` most recent ones."""
    others = sorted((path for path in trainings.glob("*/") if path != current), key=lambda path: path.stat().st_mtime)
    for old in others[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
