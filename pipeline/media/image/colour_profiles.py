"""Colour profiles (ICC): every image is converted to sRGB when it is decoded."""

import functools
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

SRGB_TOLERANCE = 2
"""Profiles that move no 8-bit value further are sRGB itself; such images are left exactly as they are stored."""

SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Colour spaces of profiles that are applied, and the Pillow modes of their pixels."""


@dataclass(frozen=True)
class Conversion:
    """How pixels of `mode` become sRGB: by a transform, or gray by a table of its 256 levels.

    `name` is the profile's own description.
    """

    mode: str
    name: str
    transform: ImageCms.ImageCmsTransform
    table: list[int] | None = None

    def apply(self, image: Image.Image) -> Image.Image:
        """Return an 8-bit image in sRGB: gray stays gray, anything else becomes RGB; transparency is kept."""
        if not image.has_transparency_data:
            return self.convert(image.convert(self.mode))
        layered = image.convert("LA" if self.mode == "L" else "RGBA")
        result = self.convert(layered.convert(self.mode))
        result.putalpha(layered.getchannel("A"))
        return result

    def convert(self, image: Image.Image) -> Image.Image:
        """Convert an opaque image of `mode`."""
        return image.point(self.table) if self.table else self.transform.apply(image)


def find_conversion(profile: bytes | None, image: Image.Image) -> Conversion | None:
    """Return how an 8-bit image becomes sRGB; None if it is left as it is.

    These are images without a profile, and those whose profile is sRGB, damaged, or made for other pixels than the
    image has (an RGB profile in a gray image).
    """
    conversion = read_profile(profile) if profile else None
    return conversion if conversion and conversion.mode == pixel_mode(image) else None


def pixel_mode(image: Image.Image) -> str:
    """Return the mode in which a profile describes the image's pixels."""
    if image.mode in ("L", "LA", "La"):
        return "L"
    return "RGB" if image.mode in ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX") else image.mode


@functools.lru_cache(maxsize=16)
def read_profile(profile: bytes) -> Conversion | None:
    """Return the conversion from a profile to sRGB; None if it changes nothing or cannot be used."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = SPACES[source.profile.xcolor_space]
        name = str(source.profile.profile_description or "unnamed profile").strip()
        # Otherwise LittleCMS interpolates between a few gray levels, and dark ones are wrong by up to 10 of 255.
        flags = ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB", flags=flags)
        grid = sample_colours(mode)
        after = transform.apply(grid)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, KeyError):
        return None
    table = list(after.getchannel("G").tobytes()) if mode == "L" else None
    if mode != "CMYK":
        moved = np.asarray(after, dtype=np.int16) - np.asarray(grid.convert("RGB"))
        if np.abs(moved).max() <= SRGB_TOLERANCE:
            return None
    return Conversion(mode, name, transform, table)


def sample_colours(mode: str) -> Image.Image:
    """Return an image of a mode with colours of its whole range; of gray, all 256 levels in order."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    return Image.fromarray(colours).convert(mode)
