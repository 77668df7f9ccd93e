"""Images that a model transforms: what a file holds besides its pixels is given to the result, or its loss reported."""

from dataclasses import dataclass, replace
from typing import Any

from PIL import ExifTags, Image, ImageFilter

from pipeline.arrays import UInt8Array
from pipeline.media.codec import Encoded, TransformInput
from pipeline.media.image.image import ShownImage, Target, decoding_errors, fit, read_shown
from pipeline.media.image.pillow_arrays import to_pillow
from pipeline.media.image.value_range import is_wide
from pipeline.media.pictures import encode_picture

GRAY_MODES = ("1", "L", "LA", "La")
"""Pillow modes of gray files, besides those of more than 8 bits."""

WITH_ALPHA = (".png", ".webp", ".tif", ".tiff", ".avif")
WITH_EXIF = (*WITH_ALPHA, ".jpg", ".jpeg")
WITH_RESOLUTION = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")

BASE = ExifTags.Base
EXIF_TAGS = (
    *(BASE.ImageDescription, BASE.Make, BASE.Model, BASE.Software),
    *(BASE.DateTime, BASE.Artist, BASE.Copyright),
)
"""Tags of the main directory that stay true; the others describe how the source stores its pixels."""

STALE_EXIF_TAGS = (BASE.ExifImageWidth, BASE.ExifImageHeight, BASE.ColorSpace, BASE.ExifInteroperabilityOffset)
SPREAD = 8
"""Pixels by which visible colours spread into transparent ones, so that a network sees no edge there."""


@dataclass(frozen=True)
class FileProperties:
    """What an image file holds besides its pixels.

    Attributes:
        alpha: uint8 [H, W, 1], fitted like the pixels; None for an opaque image.
        gray: The file has no colours.
        exif: Its EXIF tags; None without.
        dpi: Its resolution across and down; None if it is not stated.
    """

    alpha: UInt8Array | None
    gray: bool
    exif: Image.Exif | None
    dpi: tuple[float, float] | None


def read_input(data: bytes, target: Target) -> TransformInput:
    """Decode an image for a model. Transparency is not composited but kept. Raises BadImage."""
    with decoding_errors():
        shown = read_shown(data, target)
        opaque, alpha = split_transparency(shown.image)
        pixels = fit(opaque if opaque.mode == target.mode else opaque.convert(target.mode), target)
        mask = None if alpha is None else fit(alpha, replace(target, channels="gray"))
        losses = list(shown.losses)
        try:
            exif = copy_exif(shown.source)
        except Exception:  # noqa: BLE001 - EXIF is parsed by hand-written code that raises anything on broken blocks
            exif = None
            losses.append("damaged EXIF data were left out")
        if "xmp" in shown.source.info:
            losses.append("XMP metadata were left out")
        gray = shown.mode in GRAY_MODES or is_wide(shown.mode)
        properties = FileProperties(mask, gray, exif, read_resolution(shown))
    return TransformInput(pixels, properties, tuple(losses))


def split_transparency(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return an opaque image and its alpha channel, None if it has none.

    The colours of fully transparent pixels are arbitrary, often black: those of their neighbours take their place.
    """
    if not image.has_transparency_data:
        return image, None
    layered = image.convert("RGBA")
    alpha, colours = layered.getchannel("A"), layered.convert("RGB")
    if alpha.getextrema()[0] == 0:
        spread = layered.convert("RGBa").filter(ImageFilter.BoxBlur(SPREAD)).convert("RGBA").convert("RGB")
        colours = Image.composite(colours, spread, alpha.point([0] + [255] * 255))
    return colours, alpha


def copy_exif(image: Image.Image) -> Image.Exif | None:
    """Return the EXIF tags that describe the scene and not how its pixels are stored; None if there are none."""
    source, result = image.getexif(), Image.Exif()
    for tag in EXIF_TAGS:
        if tag in source:
            result[tag] = source[tag]
    for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        tags = {tag: value for tag, value in source.get_ifd(directory).items() if tag not in STALE_EXIF_TAGS}
        if tags:
            result.get_ifd(directory).update(tags)
    return result if len(result) or result.get_ifd(ExifTags.IFD.Exif) or result.get_ifd(ExifTags.IFD.GPSInfo) else None


def read_resolution(shown: ShownImage) -> tuple[float, float] | None:
    """Return the dots per inch across and down, as the image is shown; None if they are not stated."""
    dpi = shown.source.info.get("dpi")
    if not dpi or not all(float(value) > 0 for value in dpi):
        return None
    across, down = (float(value) for value in dpi)
    return (down, across) if shown.source.size != (shown.width, shown.height) else (across, down)


def encode_result(
    pixels: UInt8Array, source: TransformInput, suffix: str, mime_type: str, *, quality: int | None, keeps_colours: bool
) -> Encoded:
    """Return the result of a model as a file with the properties of its source.

    Transparency is scaled with the image, and the resolution, so that the size in print stays the same.

    Args:
        pixels: uint8 [H, W, C].
        source: What `read_input` returned.
        suffix: Format of the file.
        mime_type: That of the format.
        quality: Quality of a lossy format, 1 to 100; None for the default.
        keeps_colours: The result shows what the source shows, so that the result of a gray source is gray.
    """
    image, properties, losses = to_pillow(pixels), source.properties, list(source.losses)
    if properties.gray and keeps_colours and image.mode != "L":
        image = image.convert("L")
    if properties.alpha is not None:
        alpha = to_pillow(properties.alpha)
        if alpha.size != image.size:
            alpha = alpha.resize(image.size, Image.Resampling.BICUBIC)
        if suffix in WITH_ALPHA:
            image.putalpha(alpha)
        else:
            image = Image.composite(image, Image.new(image.mode, image.size, "white"), alpha)
            losses.append(f"transparency became white ({suffix} has none)")
    scale = pixels.shape[0] / source.values.shape[0], pixels.shape[1] / source.values.shape[1]
    options: dict[str, Any] = {} if quality is None else {"quality": quality}
    if properties.dpi is not None:
        if suffix in WITH_RESOLUTION:
            options["dpi"] = properties.dpi[0] * scale[1], properties.dpi[1] * scale[0]
        else:
            losses.append(f"the resolution (dpi) was left out ({suffix} has none)")
    if properties.exif is not None:
        if suffix in WITH_EXIF:
            options["exif"] = properties.exif.tobytes()
        else:
            losses.append(f"EXIF data were left out ({suffix} has none)")
    if suffix == ".gif" and image.mode == "RGB":
        losses.append("colours became a palette of 256 (.gif has no more)")
    return Encoded(encode_picture(image, suffix, **options), mime_type, suffix, tuple(losses))
