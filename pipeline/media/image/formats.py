"""Formats of image files that are read and written."""

import functools

# Formats with a signature and a decoder inside Pillow: EPS would start an interpreter, TGA accepts text files.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF", "QOI")
SUFFIXES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp"}
    | {
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".pfm",
        ".jp2",
        ".j2k",
        ".jpx",
        ".avif",
        ".qoi",
        ".heic",
        ".heif",
        ".jxl",
        ".dcm",
    }
)


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """Return Pillow's names of the formats that are read: its own, and those of the plugins that are installed."""
    formats = list(FORMATS)
    try:
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
        formats.append("HEIF")
    except ImportError:
        pass
    try:
        import pillow_jxl  # noqa: F401 - registers itself

        formats.append("JXL")
    except ImportError:
        pass
    return tuple(formats)
