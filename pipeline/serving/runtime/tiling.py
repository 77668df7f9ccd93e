"""Process a large image in overlapping tiles: bounded memory, no visible seams.

Neighbouring tiles share `2 * overlap` pixels. They are blended within half an overlap of their border, so differences
between them create no edge. The other half is context: if the receptive field of the network reaches no further than
half an overlap, the result equals that of the whole image.
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
"""One image [C, H, W]."""

Run = Callable[[Image], Float32Array]
"""A network: [1, C, h, w] -> [1, D, scale h, scale w]."""


class Tiles:
    """An image on its way through a network, one tile at a time; the caller decides when each tile is computed.

    Attributes:
        bands: Finished parts of the result from top to bottom, [D, rows, scale W], each passed through `finish`.
            Only the current row of tiles is kept in float32.
    """

    def __init__(
        self,
        image: Image,
        scale: int,
        *,
        tile: int = TILE,
        overlap: int = OVERLAP,
        multiple: int = 1,
        finish: Callable[[Float32Array], Image] = np.array,
        fill: bool = False,
    ) -> None:
        """Split an image [C, H, W]. Sides that are no multiple of `multiple` are padded by reflection, then cropped.

        With `fill` the width is padded with zeros, so that every tile has the full width.

        Raises InputError for tiles that overlap entirely.
        """
        if tile % multiple or overlap % max(multiple, 2) or tile < 3 * overlap:
            raise InputError(
                f"tiles of {tile} with an overlap of {overlap}: the tile must be at least three times the overlap, "
                f"and both must be multiples of {max(multiple, 2)}."
            )
        self.height, self.width = image.shape[1] * scale, image.shape[2] * scale
        margins = ((0, 0), (0, -image.shape[1] % multiple), (0, -image.shape[2] % multiple))
        self.image = np.pad(image, margins, mode="symmetric") if multiple > 1 else image
        if fill:
            rest = max(0, image.shape[2] - tile)
            missing = tile + -(-rest // (tile - 2 * overlap)) * (tile - 2 * overlap) - image.shape[2]
            self.image = np.pad(self.image, ((0, 0), (0, 0), (0, missing)))
        self.scale, self.tile, self.overlap, self.finish = scale, tile, overlap, finish
        self.bands: list[Image] = []
        self.steps = self.iterate()

    def step(self, result: Float32Array | None = None) -> Image | None:
        """Accept the network's output for the last tile and return the next tile, None after the last.

        Tiles are [1, C, h, w] in the dtype of the image, outputs float32 [1, D, scale h, scale w].
        """
        try:
            return self.steps.send(result)
        except StopIteration:
            return None

    def iterate(self) -> Coroutine[Image, Float32Array | None, None]:
        """Yield the tiles row by row, receive the outputs, and append finished bands."""
        scale, overlap = self.scale, self.overlap
        height, width = self.image.shape[1:]
        rows, columns = (tile_spans(size, self.tile, overlap) for size in (height, width))
        carry: Float32Array | None = None
        for index, (top, bottom) in enumerate(rows):
            row_weights = blend_weights((top, bottom), height, overlap, scale)
            band: Float32Array | None = None
            for left, right in columns:
                result = yield np.ascontiguousarray(self.image[None, :, top:bottom, left:right])
                assert result is not None
                if band is None:
                    band = np.zeros((result.shape[1], (bottom - top) * scale, width * scale), dtype=np.float32)
                    if carry is not None:
                        band[:, : carry.shape[1]] = carry
                band[:, :, left * scale : right * scale] += (
                    result[0] * row_weights[:, None] * blend_weights((left, right), width, overlap, scale)
                )
            assert band is not None
            end = rows[index + 1][0] if index + 1 < len(rows) else bottom
            done, carry = band[:, : (end - top) * scale], band[:, (end - top) * scale :].copy()
            if top * scale < self.height:
                self.bands.append(self.finish(done[:, : self.height - top * scale, : self.width]))


class Windows(Tiles):
    """An item whose height is time, on its way through a network for one height: one window after another."""

    def __init__(self, item: Image, height: int, finish: Callable[[Float32Array], Image]) -> None:
        """Split an item [C, H, W]; the last window is padded with zeros."""
        self.height, self.width = item.shape[1:]
        self.image = np.pad(item, ((0, 0), (0, -self.height % height), (0, 0)))
        self.tile, self.finish = height, finish
        self.bands: list[Image] = []
        self.steps = self.iterate()

    def iterate(self) -> Coroutine[Image, Float32Array | None, None]:
        """Yield the windows, receive the outputs, and append them as bands."""
        for top in range(0, self.height, self.tile):
            result = yield np.ascontiguousarray(self.image[None, :, top : top + self.tile])
            assert result is not None
            self.bands.append(self.finish(result[0][:, : self.height - top]))


def run_tiles(run: Run, tiles: Tiles) -> list[Image]:
    """Run the network on all tiles and return the bands."""
    tile = tiles.step()
    while tile is not None:
        tile = tiles.step(run(tile))
    return tiles.bands


def run_tiled(
    run: Run, image: Image, scale: int, *, tile: int = TILE, overlap: int = OVERLAP, multiple: int = 1
) -> Float32Array:
    """Run the network on an image [C, H, W] in tiles; return [D, scale H, scale W].

    Raises InputError for tiles that overlap entirely.
    """
    tiles = Tiles(image, scale, tile=tile, overlap=overlap, multiple=multiple)
    return np.concatenate(run_tiles(run, tiles), axis=1)


def tile_spans(size: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Return [start, end) of the tiles along one side; each starts tile - 2 overlap after the previous one."""
    if size <= tile:
        return [(0, size)]
    step = tile - 2 * overlap
    starts = range(0, size - 2 * overlap, step)
    return [(start, min(start + tile, size)) for start in starts]


def blend_weights(span: tuple[int, int], size: int, overlap: int, scale: int) -> Float32Array:
    """Return the weight of a tile along one side, [(end - start) scale]. The weights of all tiles sum to 1."""
    start, end = span
    at = (np.arange(start * scale, end * scale) + 0.5) / scale
    share = np.ones(len(at))
    # The transition lies `overlap` inside the tile and is `overlap` pixels wide.
    if start > 0:
        share *= np.clip((at - start - overlap / 2) / overlap, 0, 1)
    if end < size:
        share *= np.clip((end - at - overlap / 2) / overlap, 0, 1)
    return share.astype(np.float32)
