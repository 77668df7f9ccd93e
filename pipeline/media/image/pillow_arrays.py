"""Pixels as Pillow images and as files, and back."""

import io

import numpy as np
from PIL import Image

from pipeline.arrays import UInt8Array


def write_lossless(image: Image.Image) -> bytes:
    """Return a file that `decode` reads exactly: PPM if the mode allows it, else PNG.

    PPM has no compressor whose version could change the bytes.
    """
    out = io.BytesIO()
    image.save(out, "PPM" if image.mode in ("L", "RGB") else "PNG")
    return out.getvalue()


def to_pillow(pixels: UInt8Array) -> Image.Image:
    """Return pixels [H, W, 1 or 3] as a Pillow image."""
    return Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels[..., 0])


def from_pillow(image: Image.Image) -> UInt8Array:
    """Return the pixels of an 8-bit Pillow image, uint8 [H, W, C]."""
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def compress_jpeg(pixels: UInt8Array, quality: int) -> UInt8Array:
    """Return uint8 [H, W, C] after JPEG compression at `quality` (1 to 95)."""
    out = io.BytesIO()
    to_pillow(pixels).save(out, "JPEG", quality=quality)
    with Image.open(out, formats=("JPEG",)) as image:
        return from_pillow(image)
