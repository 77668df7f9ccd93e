"""Write clips as GIF, WebP and strips of frames."""

import io

import numpy as np
from PIL import GifImagePlugin, Image

from pipeline.arrays import UInt8Array
from pipeline.media.image.pillow_arrays import to_pillow
from pipeline.media.pictures import encode_picture

FASTEST = 20
"""Milliseconds. Viewers show a shorter delay as a tenth of a second."""


def gif_delay(rate: float) -> int:
    """Return the delay of a frame in milliseconds: GIF counts hundredths of a second."""
    return max(FASTEST, 10 * round(100 / rate))


def write_gif(frames: UInt8Array, rate: float) -> bytes:
    """Return frames [T, H, W, 1 or 3] as a looping GIF with one palette.

    Every frame is written in full: Pillow would merge equal neighbours, and readers that ignore delays lose them.
    """
    images = with_palette(frames)
    header, _ = GifImagePlugin.getheader(images[0].copy(), info={"loop": 0})
    blocks = [b"".join(GifImagePlugin.getdata(image, duration=gif_delay(rate), disposal=1)) for image in images]
    return b"".join([*header, *blocks, b";"])


def with_palette(frames: UInt8Array) -> list[Image.Image]:
    """Return frames as images of one palette; that of gray frames is exact."""
    if frames.shape[-1] == 1:
        return [Image.fromarray(frame[..., 0]) for frame in frames]
    whole = Image.fromarray(np.ascontiguousarray(frames.reshape(-1, *frames.shape[2:])))
    palette = whole.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return [to_pillow(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]


def write_webp(frames: UInt8Array, rate: float) -> bytes:
    """Return frames [T, H, W, 1 or 3] as a looping, lossless WebP."""
    first, *rest = (to_pillow(frame).convert("RGB") for frame in frames)
    out = io.BytesIO()
    first.save(
        out, "WEBP", save_all=True, append_images=rest, duration=round(1000 / rate), loop=0, lossless=True, quality=50
    )
    return out.getvalue()


def write_strip(frames: UInt8Array) -> bytes:
    """Return frames [T, H, W, 1 or 3] as a PNG with all frames next to each other."""
    return encode_picture(to_pillow(as_strip(frames)), ".png")


def as_strip(frames: UInt8Array) -> UInt8Array:
    """Return frames [T, H, W, C] next to each other, [H, T * W, C]."""
    return np.ascontiguousarray(np.concatenate(list(frames), axis=1))
