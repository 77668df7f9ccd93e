"""Checkpoints: written whole or not at all, checked when read, never unpickling code.

A folder holds the checkpoints of one training (see `fingerprint` in the stage), named by images seen. The sha256 of each file
lies beside it; a torn or damaged file is passed over for the one before it.
"""

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import torch

State = dict[str, Any]


def write_atomically(path: Path, data: bytes) -> None:
    """After this returns the file is on disk whole; before, whatever was there stays."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save(folder: Path, images_seen: int, state: State, *, keep: int = 2) -> Path:
    """Writes `state` (tensors, numbers, strings, and containers of them) and removes all but the last `keep`."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    path = folder / f"{images_seen:012d}.pt"
    write_atomically(path.with_suffix(".sha256"), hashlib.sha256(data).hexdigest().encode())
    write_atomically(path, data)
    for old in sorted(folder.glob("*.pt"))[:-keep]:
        old.unlink()
        old.with_suffix(".sha256").unlink(missing_ok=True)
    return path


def latest(folder: Path) -> tuple[State | None, list[Path]]:
    """The newest sound checkpoint (None when there is none), and the damaged ones that were passed over."""
    damaged = []
    for path in sorted(folder.glob("*.pt"), reverse=True):
        try:
            data = path.read_bytes()
            expected = path.with_suffix(".sha256").read_text().strip()
        except OSError:
            damaged.append(path)
            continue
        if hashlib.sha256(data).hexdigest() != expected:
            damaged.append(path)
            continue
        state: State = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        return state, damaged
    return None, damaged
