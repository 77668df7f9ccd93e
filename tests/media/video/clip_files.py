"""Clips for tests: numbered frames, and files of them."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from pipeline.arrays import UInt8Array

SIDE = 16


def numbered(count: int, side: int = SIDE) -> UInt8Array:
    """Return gray frames [count, side, side, 1]; frame k is 10 k + 5 everywhere."""
    levels = 10 * np.arange(count, dtype=np.uint8) + 5
    return np.broadcast_to(levels[:, None, None, None], (count, side, side, 1)).copy()


def images(frames: UInt8Array) -> list[Image.Image]:
    """Return frames [n, H, W, C] as Pillow images."""
    return [Image.fromarray(frame if frame.shape[-1] == 3 else frame[..., 0]) for frame in frames]


def animation(pictures: Sequence[Image.Image], kind: str = "GIF", **options: Any) -> bytes:
    """Return an animation as Pillow writes it."""
    first, *rest = pictures
    out = io.BytesIO()
    first.save(out, kind, save_all=True, append_images=rest, **options)
    return out.getvalue()


def picture(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return one picture as a file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def strip(frames: UInt8Array, *, upright: bool = False) -> bytes:
    """Return a strip of frames."""
    return picture(images(np.concatenate(list(frames), axis=0 if upright else 1)[None])[0])
