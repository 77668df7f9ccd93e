"""A volume that turns: an animated picture, and the voxels for pages that turn it by hand."""

import base64
import io

import numpy as np
from PIL import Image

from pipeline.arrays import Items
from pipeline.media.volume.renderer import render, upright
from pipeline.media.volume.settings import Axis

VIEWS, SIDE, MILLISECONDS = 16, 96, 120


def turning_element(values: Items, up: Axis, *, solid: bool) -> str:
    """Return an element with a picture of a volume [H, W, D] that turns once.

    Its attributes hold the voxels: the sides, and one bit a voxel (gray: one byte), in base64; the last axis points up.
    """
    volume = upright(values[None], up)[0]
    content = np.packbits(volume >= 128) if solid else np.ascontiguousarray(volume)
    voxels = base64.b64encode(content.tobytes()).decode()
    picture = base64.b64encode(turntable(values, up, solid=solid)).decode()
    sides = " ".join(map(str, volume.shape))
    return (
        f'<span class="volume" data-kind="{"solid" if solid else "gray"}" data-sides="{sides}" data-voxels="{voxels}">'
        f'<img alt="volume, turning" src="data:image/webp;base64,{picture}"></span>'
    )


def turntable(values: Items, up: Axis, *, solid: bool) -> bytes:
    """Return an animated WebP of a volume [H, W, D] that turns once."""
    step = 360 / VIEWS
    frames = [
        Image.fromarray(render(values[None], up, SIDE, view * step, solid=solid)[0, ..., 0]) for view in range(VIEWS)
    ]
    file = io.BytesIO()
    frames[0].save(
        file, "WEBP", save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0, lossless=True, method=0
    )
    return file.getvalue()
