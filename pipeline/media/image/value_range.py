"""Images of more than 8 bits: what their stored values mean, and how they become 8 bits."""

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin

from pipeline.media.image.bad_image import BadImage

# Pillow reads 16-bit TIFFs of this kind in the byte order of PCs only.
TiffImagePlugin.OPEN_INFO.setdefault((TiffImagePlugin.MM, 0, (1,), 1, (16,), ()), ("I;16B", "I;16B"))


def is_min_white(image: Image.Image) -> bool:
    """Return whether the smallest value of a TIFF is white. Pillow inverts only those of up to 8 bits itself."""
    return (
        isinstance(image, TiffImagePlugin.TiffImageFile)
        and image.mode.startswith(("I", "F"))
        and image.tag_v2.get(ExifTags.Base.PhotometricInterpretation) == 0
    )


def to_eight_bits(image: Image.Image, *, inverted: bool = False) -> Image.Image:
    """Convert 16-bit, 32-bit and float gray to 8 bits.

    Mode I;16 has the range 0..65535. Modes of 32 bits have no stated range: the smallest of 0..1 (floats only), 0..255
    and 0..65535 that holds all values is taken. Raises BadImage if none does.

    Args:
        image: Image in a mode of Pillow that starts with I or F.
        inverted: The smallest value is white.
    """
    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16"):
        tops = [65535.0]
    else:
        tops = [255.0, 65535.0] if image.mode.startswith("I") else [1.0, 255.0, 65535.0]
    top = next((top for top in tops if low >= 0 and high <= top), None)
    if top is None:
        raise BadImage(
            f"{image.mode} pixels from {low:g} to {high:g} fit none of the ranges 0..1, 0..255, 0..65535: "
            "save it with 8 or 16 bits"
        )
    levels = np.rint(values * (255.0 / top)).astype(np.uint8)
    return Image.fromarray(255 - levels if inverted else levels)
