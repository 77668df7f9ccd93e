"""NumPy files of voxels: `.npy` and `.npz`. The header is checked before anything is decoded."""

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.media.codec import BadItem

Voxels = npt.NDArray[Any]

NPY, ZIP = b"\x93NUMPY", b"PK"
KINDS = "biuf"
"""Kinds of dtypes that hold voxels: bool, integers, floats."""
READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
DAMAGED = (ValueError, TypeError, EOFError, OSError, SyntaxError, MemoryError)
"""What numpy raises for a damaged header."""


def read_npy(data: bytes, most: int) -> list[Voxels]:
    """Return the volumes [x, y, z] of a .npy file, which holds one or, with four axes, several.

    Args:
        data: Content of the file.
        most: Largest number of voxels.

    Raises:
        BadItem: The file is damaged, too large, or holds something else.
    """
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        if version not in READ_HEADER:
            raise BadItem(f".npy version {version[0]}.{version[1]}: save the array with numpy.save")
        shape, fortran, dtype = READ_HEADER[version](file)
    except BadItem:
        raise
    except DAMAGED as error:
        raise BadItem(f"a damaged .npy file: {error}") from None
    check_array(shape, dtype, most)
    size = math.prod(shape) * dtype.itemsize
    content = data[file.tell() :]
    if len(content) < size:
        raise BadItem(f"truncated: {len(content):,} of {size:,} bytes of voxels")
    values = np.frombuffer(content, dtype=dtype, count=math.prod(shape))
    return split_volumes(values.reshape(shape, order="F" if fortran else "C"))


def read_npz(data: bytes, most: int) -> list[Voxels]:
    """Return the volumes of the only array of voxels in a .npz file; arguments and errors as in `read_npy`."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [one for one in archive.infolist() if one.filename.endswith(".npy")]
            found: Mapping[str, list[Voxels]] = {
                member.filename.removesuffix(".npy"): volumes
                for member in members
                if (volumes := read_member(archive, member, most, only=len(members) == 1))
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise BadItem(f"a damaged .npz file: {error}") from None
    if len(found) != 1:
        names = ", ".join(found or (member.filename.removesuffix(".npy") for member in members)) or "none"
        raise BadItem(f"needs one array with three axes; its arrays are {names}")
    return next(iter(found.values()))


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int, *, only: bool) -> list[Voxels]:
    """Return the volumes of one array of an archive; none if it is not `only` and has fewer than three axes."""
    # Eight bytes a voxel, and room for the header.
    if member.file_size > 8 * most + 2**16:
        raise BadItem(f"{member.filename}: {member.file_size:,} bytes, over data.limits.voxels {most:,}")
    values = archive.read(member)
    try:
        return read_npy(values, most)
    except BadItem as error:
        if only or "axes" not in str(error):
            raise BadItem(f"{member.filename}: {error}") from None
        return []


def check_array(shape: tuple[int, ...], dtype: np.dtype[Any], most: int) -> None:
    """Raise BadItem for Python objects, texts and other dtypes, other axes, or too many voxels."""
    if dtype.hasobject:
        raise BadItem("holds Python objects, which are not loaded")
    if dtype.kind not in KINDS or dtype.itemsize > 8:
        raise BadItem(f"values are {dtype}, not numbers: save them as uint8 or float32")
    if len(shape) not in (3, 4):
        raise BadItem(f"has {len(shape)} axes, not three: the shape is {list(shape)}")
    if min(shape) < 1:
        raise BadItem(f"has no voxels: the shape is {list(shape)}")
    if math.prod(shape) > most:
        raise BadItem(f"{math.prod(shape):,} voxels, over data.limits.voxels {most:,}")


def split_volumes(values: Voxels) -> list[Voxels]:
    """Return an array [x, y, z], [x, y, z, 1] or [n, x, y, z] as volumes [x, y, z]."""
    if values.ndim == 3:
        return [values]
    return [values[..., 0]] if values.shape[3] == 1 and values.shape[0] > 1 else list(values)


def write_npy(values: Voxels) -> bytes:
    """Return voxels as a .npy file."""
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(values), allow_pickle=False)
    return file.getvalue()
