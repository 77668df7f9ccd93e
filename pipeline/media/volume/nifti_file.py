"""NIfTI scans (.nii, .nii.gz). Needs nibabel."""

import gzip
import io
import math
import zlib
from typing import Any

import numpy as np

from pipeline.media.codec import BadItem
from pipeline.media.volume.array_file import KINDS
from pipeline.media.volume.scan_axes import Scan, orient

GZIP = b"\x1f\x8b"
HEADERS = {348: (344, (b"n+1\0",)), 540: (4, (b"n+2\0",))}
"""Sizes of the headers of both versions; where their marks are, and which."""
MISSING = "a NIfTI scan, which needs nibabel: pip install 'ganline[scans]'"
LONGEST_HEADER = 2**20


def is_nifti(data: bytes) -> bool:
    """Return whether a file is a NIfTI scan in one file, compressed or not."""
    head = decompress(data[:65536], 1024) if data.startswith(GZIP) else data[:1024]
    for size, (place, marks) in HEADERS.items():
        if head[:4] in (size.to_bytes(4, "little"), size.to_bytes(4, "big")) and head[place : place + 4] in marks:
            return True
    return False


def decompress(data: bytes, most: int) -> bytes:
    """Return the first `most` bytes of a gzip file; what is damaged ends it."""
    stream = zlib.decompressobj(wbits=31)
    try:
        return stream.decompress(data, most)
    except zlib.error:
        return b""


def read_nifti(data: bytes, most: int) -> list[Scan]:
    """Return the scans of a file; one with four axes holds several.

    Args:
        data: Content of the file.
        most: Largest number of voxels.

    Raises:
        BadItem: nibabel is not installed, or the file is damaged, too large, or its axes are not clear.
    """
    try:
        import nibabel
    except ImportError:
        raise BadItem(MISSING) from None
    kind = nibabel.Nifti2Image if find_header(data) == 540 else nibabel.Nifti1Image
    head = decompress(data, LONGEST_HEADER) if data.startswith(GZIP) else data[:LONGEST_HEADER]
    try:
        shape = tuple(map(int, kind.header_class.from_fileobj(io.BytesIO(head)).get_data_shape()))
    except (ValueError, TypeError, OSError, EOFError, nibabel.spatialimages.HeaderDataError) as error:
        raise BadItem(f"a damaged NIfTI header: {error}") from None
    check_shape(shape, most)
    whole = data
    if data.startswith(GZIP):
        # Eight bytes a voxel, and room for the header.
        whole = decompress(data, 16 * math.prod(shape) + LONGEST_HEADER)
    try:
        image: Any = kind.from_bytes(whole)
        values = np.asanyarray(image.dataobj)
        affine = np.asarray(image.affine, dtype=np.float64)
    except (
        ValueError,
        TypeError,
        OSError,
        EOFError,
        gzip.BadGzipFile,
        nibabel.filebasedimages.ImageFileError,
    ) as error:
        raise BadItem(f"truncated or damaged: {str(error)[:200]}") from None
    if values.dtype.kind not in KINDS:
        raise BadItem(f"values are {values.dtype}, not numbers")
    volumes = [values] if values.ndim == 3 else [values[..., k] for k in range(values.shape[3])]
    return [orient(volume, affine) for volume in volumes]


def find_header(data: bytes) -> int:
    """Return the size of the header, 348 or 540."""
    head = decompress(data[:65536], 4) if data.startswith(GZIP) else data[:4]
    return 540 if 540 in (int.from_bytes(head, order) for order in ("little", "big")) else 348


def check_shape(shape: tuple[int, ...], most: int) -> None:
    """Raise BadItem unless a scan has three or four axes and at most `most` voxels."""
    if len(shape) not in (3, 4) or min(shape, default=0) < 1:
        raise BadItem(f"has no three axes: the shape is {list(shape)}")
    if math.prod(shape) > most:
        raise BadItem(f"{math.prod(shape):,} voxels, over data.limits.voxels {most:,}")
