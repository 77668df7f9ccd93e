"""Pixels as Pillow images and as files, and back."""

import io

import numpy as np
from PIL import Image

from pipeline.arrays import Items, UInt8Array


def write_lossless(image: Image.Image) -> bytes:
    """Return a file that `decode` reads exactly: PPM if the mode allows it, else PNG.

    PPM has no compressor whose version could change the bytes.
    """
    out = io.BytesIO()
    image.save(out, "PPM" if image.mode in ("L", "RGB") else "PNG")
    return out.getvalue()


def to_pillow(pixels: Items) -> Image.Image:
    """Return pixels, uint8 [H, W, 1 or 3] or uint16 [H, W, 1], as a Pillow image in mode L, RGB or I;16."""
    return Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels[..., 0])


def from_pillow(image: Image.Image) -> Items:
    """Return the pixels of a Pillow image: uint8 [H, W, C], or uint16 [H, W, 1] if its mode is F."""
    if image.mode == "F":
        # Filters such as Lanczos overshoot.
        levels = np.clip(np.asarray(image), 0, np.iinfo(np.uint16).max)
        pixels: Items = np.rint(levels).astype(np.uint16)
        return pixels[:, :, None]
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def to_bytes(pixels: Items) -> UInt8Array:
    """Return pixels of 8 or 16 bits as a screen shows them, uint8 of the same shape."""
    return pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)


def compress_jpeg(pixels: UInt8Array, quality: int) -> UInt8Array:
    """Return uint8 [H, W, C] after JPEG compression at `quality` (1 to 95)."""
    out = io.BytesIO()
    to_pillow(pixels).save(out, "JPEG", quality=quality)
    with Image.open(out, formats=("JPEG",)) as image:
        return from_pillow(image)
