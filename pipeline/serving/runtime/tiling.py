"""A large picture through a network in overlapping tiles: bounded memory, and no seams.

Neighbouring tiles share `2 * overlap` pixels. Within half an overlap of where one hands over to the other they are blended, so that
what they do not agree on becomes no edge; the other half is context. Where the network sees no farther than half an overlap, the
result is that of the whole picture.
"""

from collections.abc import Callable
from collections.abc import Generator as Coroutine
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Float32Array
from pipeline.errors import InputError

TILE, OVERLAP = 512, 64

Image = npt.NDArray[Any]


class Tiles:
    """A picture's way through a network, piece by piece; whoever asks for the pieces has them computed, and when.

    Attributes:
        bands: what came out, [D, rows, scale W] from the top down, each through `finish` as soon as no other tile adds to it: only the
            tiles that lie side by side are kept in float32.
    """

    def __init__(
        self,
        image: Image,
        scale: int,
        tile: int = TILE,
        overlap: int = OVERLAP,
        multiple: int = 1,
        finish: Callable[[Float32Array], Image] = np.array,
    ) -> None:
        """An image [C, H, W]. Sides that are no multiple of `multiple` are continued by reflection and cut again.

        Raises InputError for tiles that overlap entirely.
        """
        if tile % multiple or overlap % max(multiple, 2) or tile < 3 * overlap:
            raise InputError(
                f"tiles of {tile} with an overlap of {overlap}: the tile must be at least three times the overlap, and both multiples of {max(multiple, 2)}"
            )
        self.height, self.width = image.shape[1] * scale, image.shape[2] * scale
        margins = ((0, 0), (0, -image.shape[1] % multiple), (0, -image.shape[2] % multiple))
        self.image = np.pad(image, margins, mode="symmetric") if multiple > 1 else image
        self.scale, self.tile, self.overlap, self.finish = scale, tile, overlap, finish
        self.bands: list[Image] = []
        self.work = self.pieces()

    def step(self, made: Float32Array | None = None) -> Image | None:
        """Takes what came of the last piece, float32 [1, D, scale h, scale w]; gives the next, [1, C, h, w] of the image's type, None after the last."""
        try:
            return self.work.send(made)
        except StopIteration:
            return None

    def pieces(self) -> Coroutine[Image, Float32Array | None, None]:
        scale, overlap = self.scale, self.overlap
        height, width = self.image.shape[1:]
        down, across = (spans(size, self.tile, overlap) for size in (height, width))
        rest: Float32Array | None = None
        for index, (top, bottom) in enumerate(down):
            rows = weights(top, bottom, height, overlap, scale)
            band: Float32Array | None = None
            for left, right in across:
                made = yield np.ascontiguousarray(self.image[None, :, top:bottom, left:right])
                assert made is not None
                if band is None:
                    band = np.zeros((made.shape[1], (bottom - top) * scale, width * scale), dtype=np.float32)
                    if rest is not None:
                        band[:, : rest.shape[1]] = rest
                band[:, :, left * scale : right * scale] += (
                    made[0] * rows[:, None] * weights(left, right, width, overlap, scale)
                )
            assert band is not None
            end = down[index + 1][0] if index + 1 < len(down) else bottom
            done, rest = band[:, : (end - top) * scale], band[:, (end - top) * scale :].copy()
            if top * scale < self.height:
                self.bands.append(self.finish(done[:, : self.height - top * scale, : self.width]))


Run = Callable[[Image], Float32Array]


def bands(run: Run, tiles: Tiles) -> list[Image]:
    """The bands of what `run` makes of all pieces: [1, C, h, w] -> [1, D, scale h, scale w]."""
    piece = tiles.step()
    while piece is not None:
        piece = tiles.step(run(piece))
    return tiles.bands


def tiled(
    run: Run, image: Image, scale: int, tile: int = TILE, overlap: int = OVERLAP, multiple: int = 1
) -> Float32Array:
    """`run` over an image [C, H, W] in pieces of at most `tile` by `tile`; returns [D, scale H, scale W]. Raises InputError for impossible tiles."""
    return np.concatenate(bands(run, Tiles(image, scale, tile, overlap, multiple)), axis=1)


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
