"""Cache tensors between runs, such as the features of a dataset or the nulls of measures."""

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
    """Return the tensors that `make()` computes; read them from `folder` if they were computed before.

    The name of the file depends on `key` and on the code: that of the module that defines `make`, and that of the
    objects in `code`. Changed code therefore computes the tensors again. So does a file that is damaged or has other
    shapes: a broken cache is never an error.

    Args:
        folder: Folder of the cache; None keeps nothing.
        name: What the tensors are; the file name starts with it.
        key: Everything else that the tensors depend on: data, settings, weights.
        shapes: Names and shapes of the expected tensors.
        make: Computes the tensors.
        code: Objects whose code also decides the tensors, such as an extractor that `make` uses.
    """
    if folder is None:
        return make()
    digest = code_digest(*defining_modules(make, *code))
    path = folder / f"{name}-{hashlib.sha256(f'{key} {digest}'.encode()).hexdigest()[:24]}.pt"
    cached = read(path)
    if cached is not None and {name: tuple(value.shape) for name, value in cached.items()} == dict(shapes):
        return cached
    tensors = make()
    with suppress(OSError):  # on a full or read-only disk the next run computes the tensors again
        write(path, tensors)
    return tensors


def read(path: Path) -> Tensors | None:
    """Read the tensors of a file; return None if it is missing or damaged."""
    try:
        tensors = torch.load(path, weights_only=True, map_location="cpu")
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
    is_valid = isinstance(tensors, dict) and all(isinstance(value, Tensor) for value in tensors.values())
    return tensors if is_valid else None


def write(path: Path, tensors: Tensors) -> None:
    """Write tensors atomically. Raises OSError, on a full disk for example."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    write_atomically(path, buffer.getbuffer())
