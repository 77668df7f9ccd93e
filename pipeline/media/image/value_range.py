"""Images of more than 8 bits: which values are black and white, and how they become levels of 8 or 16 bits.

A file does not say which of its values are used: 12 bits are stored in 16. Its own largest value does not tell either,
as the image may be dark. The range belongs to the data set: it is found from all files, or set as `data.range`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin

from pipeline.arrays import Float64Array
from pipeline.media.codec import Bounds
from pipeline.media.image.bad_image import BadImage

# Pillow reads 16-bit TIFFs of this kind in the byte order of PCs only.
TiffImagePlugin.OPEN_INFO.setdefault((TiffImagePlugin.MM, 0, (1,), 1, (16,), ()), ("I;16B", "I;16B"))

Range = tuple[float, float]
Ranges = Range | Mapping[Literal["integer", "float"], Range]
"""The values that are black and white: of all files, or of those of integers and of floats."""

Depth = Literal[8, 16]
WHITE: Mapping[Depth, int] = {8: 255, 16: 65535}
"""The level of white by bits of a stored value."""

TOPS = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
"""Largest values of 8, 10, 12, 14 and 16 bits."""

LEAST_USE = 0.25
"""Floats above 1 belong to a number of bits only if they use so much of it. Otherwise a 1.01 would mean 0..255."""


@dataclass(frozen=True)
class Levels:
    """The stored values of one file.

    Attributes:
        bounds: Smallest and largest value.
        range: The values that became black and white.
        outside: Fraction of the values that lie outside the range; they were clipped.
    """

    bounds: Bounds
    range: Range
    outside: float

    @property
    def use(self) -> float:
        """Fraction of the range that the values span."""
        low, high = (min(max(value, self.range[0]), self.range[1]) for value in (self.bounds.low, self.bounds.high))
        return (high - low) / (self.range[1] - self.range[0])


def is_wide(mode: str) -> bool:
    """Return whether a Pillow mode has more than 8 bits per value."""
    return mode.startswith(("I", "F"))


def is_min_white(image: Image.Image) -> bool:
    """Return whether the smallest value of a TIFF is white. Pillow inverts only those of up to 8 bits itself."""
    return (
        isinstance(image, TiffImagePlugin.TiffImageFile)
        and is_wide(image.mode)
        and image.tag_v2.get(ExifTags.Base.PhotometricInterpretation) == 0
    )


def find_range(bounds: Bounds) -> Range:
    """Return the range of a data set with these smallest and largest values.

    It is 0..1 (floats only), or that of the smallest of 8, 10, 12, 14 and 16 bits that holds all values. Other values,
    such as negative ones, span the range themselves.
    """
    low, high = bounds.low, bounds.high
    if low >= 0:
        if not bounds.whole and high <= 1:
            return 0.0, 1.0
        top = next((top for top in TOPS if high <= top), None)
        if top is not None and (bounds.whole or high >= LEAST_USE * top):
            return 0.0, top
        return 0.0, high
    return low, high if high > low else low + 1


def to_depth(
    image: Image.Image, ranges: Ranges | None, *, inverted: bool = False, depth: Depth = 8
) -> tuple[Image.Image, Levels]:
    """Convert 16-bit, 32-bit and float gray to one depth; return the image and what was stored.

    An image of 8 bits has the mode L. One of 16 bits has the mode F, whose whole numbers are 0..65535.

    Args:
        image: Image in a mode of Pillow that starts with I or F.
        ranges: The values that become black and white. Without any for the kind of this file, 16 bits have the range
            0..65535, and other files the one that `find_range` gives them alone.
        inverted: The smallest value is white.
        depth: Bits of the result.

    Raises:
        BadImage: A value is not finite.
    """
    values = np.asarray(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise BadImage("contains NaN or infinite values")
    bounds = Bounds(float(values.min()), float(values.max()), whole=image.mode.startswith("I"))
    stated = ranges.get("integer" if bounds.whole else "float") if isinstance(ranges, Mapping) else ranges
    if stated is None:
        stated = (0.0, 65535.0) if image.mode.startswith("I;16") else find_range(bounds)
    low, high = stated
    outside = float(np.count_nonzero((values < low) | (values > high)) / values.size)
    return to_levels(values, stated, inverted=inverted, depth=depth), Levels(bounds, (low, high), outside)


def to_levels(values: Float64Array, range_: Range, *, inverted: bool, depth: Depth) -> Image.Image:
    """Return values [H, W] as levels, in mode L for 8 bits or F for 16; `range_` becomes black and white."""
    low, high = range_
    white = float(WHITE[depth])
    levels = np.rint(np.clip((values - low) * (white / (high - low)), 0, white))
    return Image.fromarray((white - levels if inverted else levels).astype(np.uint8 if depth == 8 else np.float32))


def widen(image: Image.Image) -> Image.Image:
    """Return an 8-bit gray image as one of 16 bits, in mode F: white stays white."""
    return Image.fromarray(np.asarray(image, dtype=np.float32) * (WHITE[16] // WHITE[8]))
