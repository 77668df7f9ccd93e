"""Tensors kept between runs: what a data set and a protocol fix once, and the next run need not make again."""

import hashlib
import io
import pickle
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from pipeline.files import write_atomically

Tensors = dict[str, Tensor]


def remember(
    folder: Path | None, name: str, key: str, shapes: Mapping[str, tuple[int, ...]], make: Callable[[], Tensors]
) -> Tensors:
    """The tensors that `make()` gives, from `folder` when they were made before under the same name and key.

    A file that cannot be read, or does not hold tensors of these `shapes`, is made again: a cache is never a reason to
    fail. Without a folder nothing is kept.
    """
    if folder is None:
        return make()
    path = folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.pt"
    found = read(path)
    if found is not None and {name: tuple(value.shape) for name, value in found.items()} == dict(shapes):
        return found
    made = make()
    with suppress(OSError):  # a full or read-only disk costs time the next run, not this one
        write(path, made)
    return made


def read(path: Path) -> Tensors | None:
    """The tensors of a file; None where there is no such file or it is broken."""
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
    except (
        OSError,
        RuntimeError,
        ValueError,
        EOFError,
        LookupError,
        AttributeError,
        TypeError,
        pickle.UnpicklingError,
    ):
        return None
    return found if isinstance(found, dict) and all(isinstance(value, Tensor) for value in found.values()) else None


def write(path: Path, tensors: Tensors) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    write_atomically(path, buffer.getbuffer())
