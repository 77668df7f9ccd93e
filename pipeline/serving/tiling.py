"""A large picture through a network in overlapping tiles: bounded memory, and no seams.

Neighbouring tiles share `2 * overlap` pixels. Within half an overlap of where one hands over to the other they are blended, so that
what they do not agree on becomes no edge; the other half is context. Where the network sees no farther than half an overlap, the
result is that of the whole picture.
"""

from collections.abc import Callable

import numpy as np

from pipeline.errors import InputError
from pipeline.serving.runtime import Float32Array

TILE, OVERLAP = 512, 64


Run = Callable[[Float32Array], Float32Array]


def tiled(run: Run, image: Float32Array, scale: int, tile: int = TILE, overlap: int = OVERLAP, multiple: int = 1) -> Float32Array:
    """`run` [1, C, h, w] -> [1, D, scale h, scale w] over an image [C, H, W] in pieces of at most `tile` by `tile`; returns [D, scale H, scale W].

    Sides that are no multiple of `multiple` are continued by reflection and cut again. Raises InputError for tiles that overlap entirely.
    """
    if tile % multiple or overlap % max(multiple, 2) or tile < 3 * overlap:
        raise InputError(
            f"tiles of {tile} with an overlap of {overlap}: the tile must be at least three times the overlap, and both multiples of {max(multiple, 2)}"
        )
    height, width = image.shape[1:]
    padded = np.pad(image, ((0, 0), (0, -height % multiple), (0, -width % multiple)), mode="symmetric")
    down, across = (spans(size, tile, overlap) for size in padded.shape[1:])
    if len(down) == len(across) == 1:
        whole: Float32Array = run(padded[None])[0]
        return whole[:, : height * scale, : width * scale]
    out: Float32Array | None = None
    for top, bottom in down:
        for left, right in across:
            made = run(np.ascontiguousarray(padded[None, :, top:bottom, left:right]))[0]
            if out is None:
                out = np.zeros((made.shape[0], padded.shape[1] * scale, padded.shape[2] * scale), dtype=np.float32)
            rows = weights(top, bottom, padded.shape[1], overlap, scale)
            columns = weights(left, right, padded.shape[2], overlap, scale)
            out[:, top * scale : bottom * scale, left * scale : right * scale] += made * rows[:, None] * columns
    assert out is not None
    return out[:, : height * scale, : width * scale]


def spans(size: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """[start, end) of the tiles along one side; each begins a step of tile - 2 overlap after the one before, and the last ends with the side."""
    if size <= tile:
        return [(0, size)]
    step = tile - 2 * overlap
    starts = range(0, size - 2 * overlap, step)
    return [(start, min(start + tile, size)) for start in starts]


def weights(start: int, end: int, size: int, overlap: int, scale: int) -> Float32Array:
    """A tile's share of the result along one side, [(end - start) scale]: those of all tiles add up to 1 everywhere."""
    at = (np.arange(start * scale, end * scale) + 0.5) / scale
    share = np.ones(len(at))
    # The handover lies `overlap` inside the tile, and takes `overlap` pixels.
    if start > 0:
        share *= np.clip((at - start - overlap / 2) / overlap, 0, 1)
    if end < size:
        share *= np.clip((end - at - overlap / 2) / overlap, 0, 1)
    return share.astype(np.float32)
