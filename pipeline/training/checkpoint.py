"""Checkpoints: written whole or not at all, checked when read, never unpickling code.

A folder holds the checkpoints of one training (see `fingerprint` in the stage), named by images seen. Each file ends with the
sha256 of what comes before it, so one rename publishes both; a torn or damaged file is passed over for the one before it.
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

DIGEST = hashlib.sha256().digest_size


class Unwritten(Exception):
    """A checkpoint that could not be written: the file, why, and how much room it needs. Those before it are as they were."""


def save(folder: Path, images_seen: int, state: State, *, keep: int = 2) -> Path:
    """Writes `state` (tensors, numbers, strings, and containers of them) and removes all but the last `keep` and the marked ones.

    Raises Unwritten, on a full disk say.
    """
    path = named(folder, images_seen)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.write(hashlib.sha256(buffer.getbuffer()).digest())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_partial(folder)
        write_atomically(path, buffer.getbuffer())
        kept = {place(mark) for mark in folder.glob("*.mark")}
        for old in sorted(folder.glob("*.pt"))[:-keep]:
            if old not in kept:
                old.unlink()
    except OSError as error:
        raise Unwritten(
            f"{path}: cannot be written ({error.strerror}); it needs {buffer.tell() / 2**20:.1f} MiB"
        ) from None
    return path


def named(folder: Path, images_seen: int) -> Path:
    return folder / f"{images_seen:012d}.pt"


def latest(folder: Path) -> tuple[State | None, list[Path]]:
    """The newest sound checkpoint (None when there is none), and the damaged ones that were passed over."""
    damaged: list[Path] = []
    for path in sorted(folder.glob("*.pt"), reverse=True):
        state = read(path)
        if state is not None:
            return state, damaged
        damaged.append(path)
    return None, damaged


def read(path: Path) -> State | None:
    """A checkpoint on the CPU; None where it is missing, damaged, or not plain data."""
    try:
        data = path.read_bytes()
        content = memoryview(data)[:-DIGEST]
        if hashlib.sha256(content).digest() != data[-DIGEST:]:
            return None
        state: State = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
        return None
    return state


def mark(folder: Path, name: str, images_seen: int) -> None:
    """Calls the checkpoint of `images_seen`, which must be there, by a name such as "best"; it is kept until the name moves on.

    Raises Unwritten, as `save`; the name then stays where it was.
    """
    path, target = folder / f"{name}.mark", named(folder, images_seen)
    if not target.exists():
        raise FileNotFoundError(target)
    if place(path) == target:
        return
    try:
        write_atomically(path, str(images_seen).encode())
    except OSError as error:
        raise Unwritten(f"{path}: cannot be written ({error.strerror})") from None


def marked(folder: Path, name: str) -> State | None:
    """The checkpoint that was last marked with `name`; None where there is none, or it is damaged."""
    path = place(folder / f"{name}.mark")
    return read(path) if path else None


def place(mark: Path) -> Path | None:
    """The checkpoint that a mark points to; None where the mark is missing or damaged."""
    try:
        return named(mark.parent, int(mark.read_text()))
    except (OSError, ValueError):
        return None


def prune(trainings: Path, current: Path, *, keep: int = 5) -> None:
    """Of the folders in `trainings` leaves `current` and the `keep` others that were written to last."""
    others = sorted((path for path in trainings.glob("*/") if path != current), key=lambda path: path.stat().st_mtime)
    for old in others[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
