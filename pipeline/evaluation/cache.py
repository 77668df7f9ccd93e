"""Tensors kept between runs: what a data set and a protocol fix once, and the next run need not make again."""

import hashlib
import io
import pickle
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from pipeline.code_digest import code_digest, defining_modules
from pipeline.files import write_atomically

Tensors = dict[str, Tensor]


def remember(
    folder: Path | None,
    name: str,
    key: str,
    shapes: Mapping[str, tuple[int, ...]],
    make: Callable[[], Tensors],
    *,
    code: Sequence[object] = (),
) -> Tensors:
    """Return the tensors that `make()` computes, from `folder` if they were computed before.

    The file is named after `key`, the code of the module that defines `make`, and that of the objects in `code`: changed
    code computes again. A file that cannot be read, or does not hold tensors of these `shapes`, is computed again: a
    cache is never a reason to fail.

    Args:
        folder: Where the tensors are kept; None keeps nothing.
        name: What the tensors are; the start of the file's name.
        key: Everything else that decides the tensors: data, settings, weights.
        shapes: The expected tensors.
        make: Computes the tensors.
        code: Objects whose code decides too, such as an extractor that `make` is given.
    """
    if folder is None:
        return make()
    digest = code_digest(*defining_modules(make, *code))
    path = folder / f"{name}-{hashlib.sha256(f'{key} {digest}'.encode()).hexdigest()[:24]}.pt"
    known = read(path)
    if known is not None and {name: tuple(value.shape) for name, value in known.items()} == dict(shapes):
        return known
    tensors = make()
    with suppress(OSError):  # a full or read-only disk costs time in the next run, not in this one
        write(path, tensors)
    return tensors


def read(path: Path) -> Tensors | None:
    """Read the tensors of a file; None if it is missing or damaged."""
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
    """Write tensors atomically. Raises OSError, on a full disk for example."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    write_atomically(path, buffer.getbuffer())
