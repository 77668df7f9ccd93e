"""Decode images of any common format to pixels of one size and depth.

No file is trusted: its format follows from its content, its size is checked in the header before a pixel is decoded,
and every failure of a decoder becomes a BadImage with the reason.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageColor, UnidentifiedImageError

from pipeline.arrays import Items
from pipeline.media.codec import BadItem
from pipeline.media.image.bad_image import BadImage
from pipeline.media.image.colour_profiles import find_conversion
from pipeline.media.image.dicom import Frame, is_dicom, measure_dicom, read_dicom
from pipeline.media.image.file_types import RAW, explain_unknown, is_raw_preview
from pipeline.media.image.formats import readable_formats
from pipeline.media.image.orientation import apply_orientation, is_turned
from pipeline.media.image.outline import outline
from pipeline.media.image.pillow_arrays import from_pillow
from pipeline.media.image.value_range import WHITE, Depth, Levels, Ranges, is_min_white, is_wide, to_depth, widen

FILTERS = {name: Image.Resampling[name.upper()] for name in ("lanczos", "bicubic", "bilinear", "box", "nearest")}
# Resizing first halves by whole factors while the image stays this many times larger than the result: faster, and the
# difference is not visible.
REDUCING_GAP = 3.0


@dataclass(frozen=True)
class Target:
    """What every image is converted to.

    Attributes:
        resolution: The side of a square, or (height, width). With `fit` keep, images keep their sizes, which must be
            at least this large.
        max_pixels: Bound of width x height of the encoded image.
        ranges: Values of files of more than 8 bits that become black and white; None: see `to_depth`.
        pairs: Not "none": two images of `resolution` side by side, from the two halves, or outline and image.
        depth: Bits of a value; 16 for gray images only.
    """

    resolution: int | tuple[int, int]
    channels: Literal["gray", "rgb"]
    background: str = "#ffffff"
    fit: Literal["crop", "pad", "stretch", "keep"] = "crop"
    resize: Literal["lanczos", "bicubic", "bilinear", "box", "nearest"] = "lanczos"
    max_pixels: int = 50_000_000
    pairs: Literal["none", "halves", "outline"] = "none"
    ranges: Ranges | None = None
    depth: Depth = 8

    @property
    def mode(self) -> str:
        """The Pillow mode of the result; 16 bits are whole numbers in F, as Pillow cannot resize its mode I;16."""
        if self.depth == 16:
            return "F"
        return "L" if self.channels == "gray" else "RGB"

    @property
    def background_colour(self) -> str | float:
        """The background as Pillow takes it for an image of this mode."""
        if self.depth == 8:
            return self.background
        return float(ImageColor.getcolor(self.background, "L")) * (WHITE[16] // WHITE[8])  # type: ignore[arg-type]

    @property
    def height(self) -> int:
        """Height of the result."""
        return self.resolution if isinstance(self.resolution, int) else self.resolution[0]

    @property
    def width(self) -> int:
        """Width of the result; of a pair, of one side."""
        return self.resolution if isinstance(self.resolution, int) else self.resolution[1]


@dataclass(frozen=True)
class Decoded:
    """An image as the target asks for.

    Attributes:
        pixels: uint8 [H, W, C], or uint16 [H, W, 1] for a depth of 16.
        width, height: Size of the file as a viewer shows it.
        mode: Pillow mode of the file.
        levels: Its stored values, if they have more than 8 bits.
    """

    pixels: Items
    width: int
    height: int
    mode: str
    levels: Levels | None = None


@dataclass(frozen=True)
class ShownImage:
    """An image as a viewer shows it.

    Attributes:
        image: 8 bits, sRGB, upright, possibly with transparency. A file of more than 8 bits has the mode F if the
            target has 16.
        width, height: Size of the file in this orientation; `image` is smaller if a JPEG was read at a reduced size.
        source: The file as Pillow opened it, with its metadata.
        mode: Pillow mode of the file.
        levels: Stored values of more than 8 bits.
        losses: What the file has that `image` has not, each in a few words.
    """

    image: Image.Image
    width: int
    height: int
    source: Image.Image
    mode: str
    levels: Levels | None = None
    losses: tuple[str, ...] = ()


def decode(data: bytes, target: Target) -> Decoded:
    """Decode one encoded image and fit it to `target`.

    Only the first frame of an animation is used. EXIF orientation is applied, 16-bit and float images are scaled to
    levels of the target's depth (see `to_depth`), colours are converted to sRGB by the embedded profile, and
    transparency is composited onto the background colour.

    Raises:
        BadImage: The image cannot be used.
    """
    with decoding_errors():
        shown = read_shown(data, target)
        pixels = arrange(flatten(shown.image, target), target)
        return Decoded(pixels, shown.width, shown.height, shown.mode, shown.levels)


def read_shown(data: bytes, target: Target) -> ShownImage:
    """Read an image as a viewer shows it; use it within `decoding_errors`. Raises anything on hostile bytes."""
    if not data:
        raise BadImage("empty file (zero bytes)")
    if is_dicom(data):
        stated = target.ranges if isinstance(target.ranges, tuple) else None
        frame = read_dicom(data, target.max_pixels, stated, target.depth)
    else:
        image = open_checked(data, target)
        frame = Frame(image, scaled=not is_wide(image.mode), inverted=is_min_white(image))
    image = frame.image
    size, mode, wide = image.size, image.mode, ";16" in str(getattr(image, "tile", ""))
    # Halves are cut at a pixel. A JPEG that is read at a reduced size may have none in the middle.
    if image.format == "JPEG" and target.fit != "keep" and target.pairs != "halves":
        smallest = round(target.width * REDUCING_GAP), round(target.height * REDUCING_GAP)
        image.draft(None, smallest[::-1] if is_turned(image) else smallest)
    image.load()
    width, height = size[::-1] if is_turned(image) else size
    losses = []
    shown, profile, levels = apply_orientation(image), image.info.get("icc_profile"), None
    if not frame.scaled:
        shown, levels = to_depth(shown, target.ranges, inverted=frame.inverted, depth=target.depth)
        if levels.outside:
            losses.append(f"values outside {levels.range[0]:g} .. {levels.range[1]:g} were clipped")
    if shown.mode != "F" and (wide or is_wide(mode)):
        losses.append("more than 8 bits per value became 8")
    conversion = find_conversion(profile, shown) if shown.mode != "F" else None  # LittleCMS takes no such image
    if conversion is not None:
        shown = conversion.apply(shown)
        losses.append(f"colours of the profile {conversion.name!r} became sRGB")
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        losses.append("only the first frame or page was used")
    return ShownImage(shown, width, height, image, mode, levels, tuple(losses))


@contextmanager
def decoding_errors() -> Iterator[None]:
    """Turn every error of a decoder into a BadImage, and lift the limits that `Target.max_pixels` replaces."""
    with suppress_pillow_warnings():
        try:
            yield
        except BadItem:
            raise
        except MemoryError:
            raise BadImage("needs more memory than there is to decode") from None
        except Exception as error:  # noqa: BLE001 - decoders raise anything on hostile bytes
            raise BadImage(f"cannot be decoded: {str(error).strip() or type(error).__name__}") from None


def measure(data: bytes) -> tuple[int, int]:
    """Return width and height as a viewer shows the image, from the header. Raise BadImage.

    A PNG whose EXIF block follows its pixels is reported as it is stored.
    """
    with suppress_pillow_warnings():
        try:
            if is_dicom(data):
                return measure_dicom(data)
            image = Image.open(io.BytesIO(data), formats=readable_formats())
            readable = image.format != "PNG" or "exif" in image.info  # Pillow looks for it behind the pixels otherwise
            return image.size[::-1] if readable and is_turned(image) else image.size
        except BadImage:
            raise
        except Exception:  # noqa: BLE001 - as in `decode`
            raise BadImage(explain_unknown(data) if data else "empty file (zero bytes)") from None


@contextmanager
def suppress_pillow_warnings() -> Iterator[None]:
    """Disable Pillow's global pixel limit (`Target.max_pixels` replaces it) and its warnings of odd metadata."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def open_checked(data: bytes, target: Target) -> Image.Image:
    """Read the header and check the size; no pixel is decoded yet."""
    try:
        image = Image.open(io.BytesIO(data), formats=readable_formats())
    except UnidentifiedImageError:
        raise BadImage(explain_unknown(data)) from None
    if is_raw_preview(image):
        raise BadImage(RAW)
    pixels = image.width * image.height
    if pixels > target.max_pixels:
        raise BadImage(
            f"{image.width} x {image.height} pixels, over data.limits.pixels ({target.max_pixels}): "
            "treated as a decompression bomb"
        )
    if pixels == 0:
        raise BadImage(f"{image.width} x {image.height} pixels: the image is empty")
    if image.format == "PNG":
        # Pillow's decoder skips the checksums of pixel data; verify() does not, but leaves the image unusable.
        image.verify()
        image = Image.open(io.BytesIO(data), formats=("PNG",))
    return image


def flatten(image: Image.Image, target: Target) -> Image.Image:
    """Return an opaque image in the target's mode."""
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGB", image.size, target.background)
        image.paste(layer, mask=layer.getchannel("A"))
    if image.mode == target.mode:
        return image
    return widen(image.convert("L")) if target.depth == 16 else image.convert(target.mode)


def arrange(image: Image.Image, target: Target) -> Items:
    """Return values [H, W, C]: the image, or a pair with A on the left. Raise BadImage for halves of unequal width."""
    if target.pairs == "halves":
        if image.width % 2:
            raise BadImage(
                f"{image.width} pixels wide: an odd width has no two halves "
                "(data.pairs halves: A on the left half, B on the right)"
            )
        middle = image.width // 2
        boxes = (0, 0, middle, image.height), (middle, 0, image.width, image.height)
        return np.concatenate([fit(image.crop(box), target) for box in boxes], axis=1)
    pixels = fit(image, target)
    return np.concatenate([outline(pixels), pixels], axis=1) if target.pairs == "outline" else pixels


def fit(image: Image.Image, target: Target) -> Items:
    """Return values [H, W, C] of the target's size by its rule. Raise BadImage for an image too small to be kept."""
    size, kernel = (target.width, target.height), FILTERS[target.resize]
    width, height = image.size
    if target.fit == "keep":
        if width < target.width or height < target.height:
            wanted = target.height if target.height == target.width else f"{target.height} x {target.width}"
            raise BadImage(
                f"{width} x {height} pixels: smaller than the crops used in training (data.resolution {wanted})"
            )
        return from_pillow(image)
    if target.fit == "pad":
        scale = min(target.width / width, target.height / height)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        canvas = Image.new(target.mode, size, target.background_colour)
        corner = (target.width - inner[0]) // 2, (target.height - inner[1]) // 2
        canvas.paste(image.resize(inner, kernel, reducing_gap=REDUCING_GAP), corner)
        return from_pillow(canvas)
    box: tuple[float, float, float, float] = (0, 0, width, height)
    if target.fit == "crop":
        # The largest box of the target's aspect ratio.
        wide, high = (
            min(width, height * target.width / target.height),
            min(height, width * target.height / target.width),
        )
        left, top = (width - wide) / 2, (height - high) / 2
        box = (left, top, left + wide, top + high)
    return from_pillow(image.resize(size, kernel, box=box, reducing_gap=REDUCING_GAP))
