"""Write pictures of any medium to files: compressed with little loss, and tagged as sRGB."""

import functools
import io
from pathlib import Path
from typing import IO, Any

from PIL import Image, ImageCms, PngImagePlugin

QUALITY = 95
"""Quality of JPEG and AVIF unless another is asked for; colours keep their full resolution (4:4:4)."""

PROFILE_FORMATS = ("JPEG", "WEBP", "TIFF", "AVIF")
"""Formats that are tagged with a profile. PNG has a mark of its own, BMP and GIF have none."""


def write_picture(image: Image.Image, file: Path | IO[bytes], suffix: str, **options: Any) -> None:
    """Write a picture in the format of a suffix.

    Args:
        image: The picture.
        file: Where to write it.
        suffix: Such as ".png".
        options: Further options of Pillow for this format, such as `quality`.

    Raises:
        OSError, ValueError: Pillow cannot write the picture.
    """
    kind = Image.registered_extensions()[suffix.casefold()]
    image.save(file, kind, **default_options(kind, image.mode, lossy="quality" in options) | options)


def default_options(kind: str, mode: str, *, lossy: bool = False) -> dict[str, Any]:
    """Return Pillow's options for a format and mode. WebP is lossless unless it is to be `lossy`."""
    options: dict[str, Any] = {}
    if kind == "PNG":
        marks = PngImagePlugin.PngInfo()
        marks.add(b"sRGB", b"\0")
        options["pnginfo"] = marks
    elif kind in PROFILE_FORMATS and (mode in ("RGB", "RGBA") or kind in ("WEBP", "AVIF")):
        options["icc_profile"] = srgb_profile()  # gray JPEG and TIFF would need a gray profile, and are read as sRGB
    if kind in ("JPEG", "AVIF"):
        options |= {"quality": QUALITY, "subsampling": "4:4:4"}
    elif kind == "WEBP":
        options |= {"use_sharp_yuv": True} if lossy else {"lossless": True}
    return options


@functools.cache
def srgb_profile() -> bytes:
    """Return an sRGB profile whose bytes are always the same; its date is a constant."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + bytes.fromhex("07d000010001000000000000") + profile[36:]


def encode_picture(image: Image.Image, suffix: str, **options: Any) -> bytes:
    """Return a picture as the bytes of a file; see `write_picture`."""
    out = io.BytesIO()
    write_picture(image, out, suffix, **options)
    return out.getvalue()
