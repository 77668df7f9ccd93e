"""DICOM: one file is one image. Needs pydicom. Only pixels are read; nothing about a patient is kept."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from pipeline.media.image.bad_image import BadImage
from pipeline.media.image.file_types import DICOM
from pipeline.media.image.value_range import Depth, Range, to_levels

DEFLATED = b"1.2.840.10008.1.2.1.99"


def is_dicom(data: bytes) -> bool:
    """Return whether a file is DICOM."""
    return data[128:132] == b"DICM"


def read_header(data: bytes, *, pixels: bool = False) -> Any:
    """Return pydicom's data set. Raise BadImage if pydicom is not installed or the file is compressed as a whole."""
    try:
        import pydicom
    except ImportError:
        raise BadImage(DICOM) from None
    if DEFLATED in data[:2000]:
        raise BadImage("a deflated DICOM file: store it uncompressed")
    return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=not pixels)


def measure_dicom(data: bytes) -> tuple[int, int]:
    """Return width and height. Raise BadImage."""
    header = read_header(data)
    return int(header.Columns), int(header.Rows)


@dataclass(frozen=True)
class Frame:
    """The first frame of a file.

    Attributes:
        image: Levels as `to_depth` returns them, or values that it must scale.
        scaled: The image has levels.
        inverted: The smallest value is white; False for levels.
    """

    image: Image.Image
    scaled: bool = True
    inverted: bool = False


def read_dicom(data: bytes, max_pixels: int, stated: Range | None, depth: Depth = 8) -> Frame:
    """Read the first frame.

    Rescale slope and intercept are applied, then the window: the image has levels. Without a window, and if a range is
    stated, it has the rescaled values.

    Args:
        data: Content of the file.
        max_pixels: Bound of width x height.
        stated: Range in rescaled values that replaces the window.
        depth: Bits of the levels.

    Raises:
        BadImage: The image is too large, or its kind is not supported. Other errors are pydicom's.
    """
    header = read_header(data, pixels=True)
    from pydicom.pixels import pixel_array

    if header.Rows * header.Columns > max_pixels:
        raise BadImage(f"{header.Columns} x {header.Rows} pixels, over data.limits.pixels ({max_pixels})")
    values = pixel_array(header, index=0 if int(header.get("NumberOfFrames") or 1) > 1 else None)
    kind = str(header.PhotometricInterpretation)
    if values.ndim == 3 and values.dtype == np.uint8:
        return Frame(Image.fromarray(values))
    if values.ndim != 2 or kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise BadImage(f"a DICOM image of the kind {kind} with {values.dtype} values: convert it to PNG")
    scaled = values.astype(np.float64) * float(header.get("RescaleSlope") or 1) + float(
        header.get("RescaleIntercept") or 0
    )
    window = read_window(header)
    if window is None or stated is not None:
        whole = bool((scaled == np.rint(scaled)).all())
        image = Image.fromarray(scaled.astype(np.int32 if whole else np.float32))
        return Frame(image, scaled=False, inverted=kind == "MONOCHROME1")
    return Frame(to_levels(scaled, window, inverted=kind == "MONOCHROME1", depth=depth))


def read_window(header: Any) -> Range | None:
    """Return the values that the first window shows as black and white; None without a window."""
    centre, width = (header.get(name) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or centre == "" or width == "":
        return None
    centre, width = (float(value[0] if hasattr(value, "__getitem__") else value) for value in (centre, width))
    if width <= 1:
        return centre - 0.5, centre
    return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
