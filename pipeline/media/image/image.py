"""Images: encoded bytes of any common kind to uint8 pixels of one size, and back.

Nothing here trusts a file: what it is follows from its content, its size is checked from the header before a pixel is
decoded, and every way in which a decoder can fail ends in BadImage with the reason.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.arrays import UInt8Array
from pipeline.media.image.outline import outline

# Formats with a signature of their own and a decoder inside Pillow: no interpreter is started (EPS), no text file is mistaken for a picture (TGA).
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF", "QOI")
SUFFIXES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".jpx", ".avif", ".qoi"}
)
FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
    "nearest": Image.Resampling.NEAREST,
}
# Resizing first halves the picture by whole factors while it stays this many times larger than the result: quicker, and no difference a person sees.
REDUCING_GAP = 3.0


class BadImage(ValueError):
    """These bytes are not a picture that can be used; the message is the reason, without the file's name."""


@dataclass(frozen=True)
class Target:
    """What every picture becomes: a square of `resolution`, or with `fit` keep its own size and no side under `resolution`; gray or RGB.

    With `pairs` it becomes two squares side by side: of its halves, or of its outline and itself.
    `max_pixels` bounds the encoded picture's width x height.
    """

    resolution: int
    channels: Literal["gray", "rgb"]
    background: str = "#ffffff"
    fit: Literal["crop", "pad", "stretch", "keep"] = "crop"
    resize: Literal["lanczos", "bicubic", "bilinear", "box", "nearest"] = "lanczos"
    max_pixels: int = 50_000_000
    pairs: Literal["none", "halves", "outline"] = "none"

    @property
    def mode(self) -> str:
        return "L" if self.channels == "gray" else "RGB"

    @property
    def shape(self) -> tuple[int, int, int]:
        """[H, W, C] of what is decoded, but for `fit` keep."""
        return self.resolution, self.resolution * (1 if self.pairs == "none" else 2), len(self.mode)


@dataclass(frozen=True)
class Decoded:
    """`pixels` uint8 [H, W, C] of the target's size; the size and Pillow mode are those stored in the file."""

    pixels: UInt8Array
    width: int
    height: int
    mode: str


def decode(data: bytes, target: Target) -> Decoded:
    """Decodes one encoded image and fits it to `target`.

    Animations give their first frame, EXIF orientation is applied, transparency is laid over the background colour,
    16-bit and float pictures are scaled to 8 bits (see `to_eight_bits`). Raises BadImage with the reason.
    """
    if not data:
        raise BadImage("empty file (zero bytes)")
    with pillow_kept_quiet():
        try:
            image = opened(data, target)
            width, height, mode = image.width, image.height, image.mode
            # Halves are cut at a pixel: the reduced size that a JPEG could be read at may have none in the middle.
            if image.format == "JPEG" and target.fit != "keep" and target.pairs != "halves":
                side = round(target.resolution * REDUCING_GAP)
                image.draft(None, (side, side))
            image.load()
            return Decoded(laid_out(flattened(upright(image), target), target), width, height, mode)
        except BadImage:
            raise
        except MemoryError:
            raise BadImage("needs more memory than there is to decode") from None
        except Exception as error:  # noqa: BLE001 - decoders raise anything on hostile bytes (SyntaxError, struct.error, IndexError, ...)
            raise BadImage(f"cannot be decoded: {str(error).strip() or type(error).__name__}") from None


def measure(data: bytes) -> tuple[int, int]:
    """Width and height as the header says; nothing is decoded. Raises BadImage."""
    with pillow_kept_quiet():
        try:
            return Image.open(io.BytesIO(data), formats=FORMATS).size
        except Exception:  # noqa: BLE001 - as in `decode`
            raise BadImage("not an image (or its header is damaged)" if data else "empty file (zero bytes)") from None


def encode(image: Image.Image) -> bytes:
    """An image as bytes that `decode` reads: PPM where the mode allows it (no compressor's version shows in the bytes), else PNG."""
    out = io.BytesIO()
    image.save(out, "PPM" if image.mode in ("L", "RGB") else "PNG")
    return out.getvalue()


def jpeg(pixels: UInt8Array, quality: int) -> UInt8Array:
    """uint8 [H, W, C] through a JPEG file of `quality` (1 to 95) and back."""
    out = io.BytesIO()
    Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0]).save(out, "JPEG", quality=quality)
    with Image.open(out, formats=("JPEG",)) as image:
        back = np.asarray(image, dtype=np.uint8)
    return back[:, :, None] if back.ndim == 2 else back


@contextmanager
def pillow_kept_quiet() -> Iterator[None]:
    """Pillow's global pixel limit is out of force meanwhile (ours is `Target.max_pixels`), and so are its warnings of odd metadata."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def opened(data: bytes, target: Target) -> Image.Image:
    """The image with its header read and its size accepted; no pixel is decoded yet."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise BadImage("not an image (or its header is damaged)") from None
    pixels = image.width * image.height
    if pixels > target.max_pixels:
        raise BadImage(
            f"{image.width} x {image.height} pixels, over data.limits.pixels ({target.max_pixels}): treated as a decompression bomb"
        )
    if pixels == 0:
        raise BadImage(f"{image.width} x {image.height} pixels: there is no picture in it")
    if image.format == "PNG":
        # Pillow's decoder skips the checksums of pixel data; verify() does not, but leaves the image unusable.
        image.verify()
        image = Image.open(io.BytesIO(data), formats=("PNG",))
    return image


def upright(image: Image.Image) -> Image.Image:
    """The image as a viewer shows it; a broken EXIF block is no reason to lose the picture."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - EXIF is parsed by hand-written code that raises anything on broken blocks
        return image


def flattened(image: Image.Image, target: Target) -> Image.Image:
    """Mode L or RGB, 8 bits, opaque."""
    if image.mode.startswith(("I", "F")):
        image = to_eight_bits(image)
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        image = Image.new("RGB", image.size, target.background)
        image.paste(layered, mask=layered.getchannel("A"))
    return image if image.mode == target.mode else image.convert(target.mode)


def to_eight_bits(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float gray to 8 bits.

    The range follows from the storage where it says so (I;16: 0..65535); 32-bit values say nothing, so the smallest of 0..1 (floats only), 0..255 and
    0..65535 that holds them all is taken. Raises BadImage for values in none.
    """
    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    tops = (
        [65535.0]
        if image.mode.startswith("I;16")
        else [255.0, 65535.0]
        if image.mode.startswith("I")
        else [1.0, 255.0, 65535.0]
    )
    top = next((top for top in tops if low >= 0 and high <= top), None)
    if top is None:
        raise BadImage(
            f"{image.mode} pixels from {low:g} to {high:g} fit none of the ranges 0..1, 0..255, 0..65535: save it with 8 or 16 bits"
        )
    return Image.fromarray(np.rint(values * (255.0 / top)).astype(np.uint8))


def laid_out(image: Image.Image, target: Target) -> UInt8Array:
    """uint8 [H, W, C]: the image fitted, or the two of a pair, A on the left. Raises BadImage for halves that are not of one width."""
    if target.pairs == "halves":
        if image.width % 2:
            raise BadImage(
                f"{image.width} pixels wide: an odd width has no two halves (data.pairs halves: A on the left half, B on the right)"
            )
        middle = image.width // 2
        boxes = (0, 0, middle, image.height), (middle, 0, image.width, image.height)
        return np.concatenate([fitted(image.crop(box), target) for box in boxes], axis=1)
    pixels = fitted(image, target)
    return np.concatenate([outline(pixels), pixels], axis=1) if target.pairs == "outline" else pixels


def fitted(image: Image.Image, target: Target) -> UInt8Array:
    """uint8 [H, W, C]: the image made square by the target's rule, or as it is. Raises BadImage for one to keep that is smaller than a crop of it."""
    size, kernel = target.resolution, FILTERS[target.resize]
    width, height = image.size
    if target.fit == "keep":
        if min(width, height) < size:
            raise BadImage(
                f"{width} x {height} pixels: smaller than the crops that training takes of it (data.resolution {size})"
            )
        square = image
    elif target.fit == "pad":
        scale = size / max(width, height)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        square = Image.new(target.mode, (size, size), target.background)
        square.paste(
            image.resize(inner, kernel, reducing_gap=REDUCING_GAP), ((size - inner[0]) // 2, (size - inner[1]) // 2)
        )
    else:
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side) if target.fit == "crop" else (0, 0, width, height)
        square = image.resize((size, size), kernel, box=box, reducing_gap=REDUCING_GAP)
    pixels = np.asarray(square, dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
