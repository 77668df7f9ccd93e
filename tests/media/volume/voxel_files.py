"""Files of voxels for tests."""

import io
import zipfile
from typing import Any

import numpy as np

from pipeline.arrays import BoolArray


def npy(values: Any) -> bytes:
    """Return a .npy file; Python objects are pickled."""
    file = io.BytesIO()
    np.save(file, np.asarray(values), allow_pickle=True)
    return file.getvalue()


def npy_header(shape: str, dtype: str = "'|u1'") -> bytes:
    """Return the header of a .npy file with any text in the place of the shape."""
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def npz(**arrays: Any) -> bytes:
    """Return a compressed .npz file."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    """Return a zip archive of one file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def binvox(*lines: str, runs: bytes = b"\x00\x08") -> bytes:
    """Return a binvox file with these lines of the header."""
    return "\n".join(["#binvox 1", *lines, "data", ""]).encode() + runs


def corner_shape() -> BoolArray:
    """Return an L with arms of three lengths, [4, 4, 4]: no axis can take the place of another one."""
    solid = np.zeros((4, 4, 4), dtype=bool)
    solid[0, 0, 0] = True
    solid[:4, 0, 0] = True
    solid[0, :3, 0] = True
    solid[0, 0, :2] = True
    return solid
