"""EXIF orientation: the size and the pixels of an image as a viewer shows it, not as it is stored."""

from PIL import ExifTags, Image, ImageOps


def is_turned(image: Image.Image) -> bool:
    """Return whether a viewer shows the image with width and height swapped.

    Pillow applies the orientation of a TIFF itself: its size is already the one that is shown.
    """
    if image.format == "TIFF":
        return False
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    except Exception:  # noqa: BLE001 - EXIF is parsed by hand-written code that raises anything on broken blocks
        return False


def apply_orientation(image: Image.Image) -> Image.Image:
    """Return the image as a viewer shows it; a broken EXIF block is ignored."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - as in `is_turned`
        return image
