"""A DICOM series: the slices of one scan, in a zip archive, or one file with several frames. Needs pydicom.

Slices are sorted by their position along the normal of the slices: instance numbers may be missing or repeated. Only
voxels are read; nothing about a patient is kept.
"""

import io
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.arrays import Float64Array
from pipeline.media.codec import BadItem
from pipeline.media.volume.array_file import Voxels
from pipeline.media.volume.scan_axes import Scan, orient

UNEVEN = 0.02
"""Largest difference of two steps between slices, as a share of the step."""
ALIKE = 1e-3
"""Largest difference of two directions or spacings that are the same."""
LARGEST_SLICE = 2**26
"""Bytes of a slice."""
HEADER = 2**16
"""Bytes of a slice besides its voxels."""
MISSING = "a DICOM series, which needs pydicom: pip install 'ganline[scans]'"
LPS = np.diag([-1.0, -1.0, 1.0])
"""From DICOM's axes (left, back, top) to right, front and top."""


def is_dicom(data: bytes) -> bool:
    """Return whether a file is DICOM."""
    return data[128:132] == b"DICM"


def read_archive(data: bytes, most: int) -> Scan | None:
    """Return the series in a zip archive; None if it holds no DICOM file. Arguments and errors as in `read_series`."""
    files: list[bytes] = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                if member.is_dir():
                    continue
                with archive.open(member) as file:
                    if not is_dicom(file.read(132)):
                        continue
                if member.file_size > LARGEST_SLICE or sum(
                    len(one) for one in files
                ) + member.file_size > 8 * most + HEADER * (1 + len(files)):
                    raise BadItem(f"{member.filename}: too large for a slice, or over data.limits.voxels {most:,}")
                files.append(archive.read(member))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise BadItem(f"a damaged .npz or .zip file: {error}") from None
    return read_series(files, most) if files else None


def read_series(files: Sequence[bytes], most: int) -> Scan:
    """Return the scan that slices belong to.

    Args:
        files: DICOM files, in any order.
        most: Largest number of voxels.

    Raises:
        BadItem: pydicom is not installed, a file is damaged, slices belong to several series or are missing, or
            there are too many voxels.
    """
    slices = [read_slice(file) for file in files]
    series = {str(one.get("SeriesInstanceUID", "")) for one in slices}
    if len(series) > 1:
        raise BadItem(f"slices of {len(series)} series in one archive: make one archive for each")
    first = slices[0]
    if len(slices) == 1:
        raise BadItem("only one slice: a volume needs a series of them")
    shapes = {(int(one.Rows), int(one.Columns)) for one in slices}
    if len(shapes) > 1:
        raise BadItem(f"slices have different sizes: {', '.join(f'{h} x {w}' for h, w in sorted(shapes))}")
    if len(slices) * int(first.Rows) * int(first.Columns) > most:
        count = len(slices) * int(first.Rows) * int(first.Columns)
        raise BadItem(f"{count:,} voxels, over data.limits.voxels {most:,}")
    across, down, spacing = read_plane(first)
    for one in slices[1:]:
        other = read_plane(one)
        if max(np.abs(a - b).max() for a, b in zip((across, down, spacing), other, strict=True)) > ALIKE:
            raise BadItem("slices have different directions or spacings")
    normal = np.cross(across, down)
    places = np.array([read_numbers(one, "ImagePositionPatient", 3) @ normal for one in slices])
    order = np.argsort(places, kind="stable")
    step = check_steps(places[order])
    values = np.stack([read_values(slices[k]) for k in order], axis=-1)  # rows, columns, slices
    affine = LPS @ np.stack([down * spacing[0], across * spacing[1], normal * step], axis=1)
    return orient(values, affine)


def read_slice(data: bytes) -> Any:
    """Return pydicom's data set. Raise BadItem."""
    try:
        import pydicom
    except ImportError:
        raise BadItem(MISSING) from None
    try:
        found = pydicom.dcmread(io.BytesIO(data))
        if int(found.get("NumberOfFrames") or 1) > 1:
            raise BadItem("a DICOM file with several frames: export it as single slices")
        _ = found.Rows, found.Columns
    except (pydicom.errors.InvalidDicomError, AttributeError, ValueError, EOFError, OSError, KeyError) as error:
        if isinstance(error, BadItem):
            raise
        raise BadItem(f"a damaged DICOM file, or one without an image: {str(error)[:200]}") from None
    return found


def read_plane(header: Any) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return the directions of columns and of rows, and the spacing of rows and of columns, in millimetres."""
    directions = read_numbers(header, "ImageOrientationPatient", 6)
    spacing = read_numbers(header, "PixelSpacing", 2)
    if not 0 < spacing.min() <= spacing.max() < 1e4:
        raise BadItem("damaged: its PixelSpacing is not positive")
    return directions[:3], directions[3:], spacing


def read_numbers(header: Any, name: str, count: int) -> Float64Array:
    """Return the numbers of an attribute. Raise BadItem if they are missing or not finite."""
    try:
        values = np.array([float(value) for value in header.get(name) or []])
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (count,) or not np.isfinite(values).all():
        raise BadItem(f"a slice does not state its {name}, so its place is not known")
    return values


def check_steps(places: Float64Array) -> float:
    """Return the distance between slices. Raise BadItem for repeated and for missing ones."""
    steps = np.diff(places)
    step = float(np.median(steps))
    if step <= 0 or steps.min() < 0.5 * step:
        raise BadItem("two slices have the same place: the archive holds more than one scan, or copies")
    missing = np.rint(steps / step).astype(int) - 1
    if missing.any():
        raise BadItem(f"{missing.sum()} slices are missing: the gaps are up to {steps.max():g} mm, not {step:g} mm")
    if np.abs(steps - step).max() > UNEVEN * step:
        raise BadItem(f"uneven distances between slices, from {steps.min():g} to {steps.max():g} mm")
    return step


def read_values(header: Any) -> Voxels:
    """Return the rescaled values of a slice, float32 [rows, columns]; MONOCHROME1 is inverted. Raise BadItem."""
    from pydicom.pixels import pixel_array

    kind = str(header.get("PhotometricInterpretation", ""))
    if kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise BadItem(f"slices of the kind {kind or 'unknown'}, not gray")
    try:
        stored = pixel_array(header)
    except (AttributeError, ValueError, NotImplementedError, RuntimeError, KeyError) as error:
        raise BadItem(f"the pixels of a slice cannot be read: {str(error)[:200]}") from None
    if stored.ndim != 2:
        raise BadItem("a slice is no gray picture")
    slope, intercept = float(header.get("RescaleSlope") or 1), float(header.get("RescaleIntercept") or 0)
    values = stored.astype(np.float32) * slope + intercept
    return np.asarray(-values if kind == "MONOCHROME1" else values, dtype=np.float32)
