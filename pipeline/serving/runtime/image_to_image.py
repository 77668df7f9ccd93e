"""An exported image-to-image generator over pictures of any size, in tiles where they are large."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Float32Array, UInt8Array
from pipeline.errors import InputError
from pipeline.media.image.image import BadImage, Target, decode
from pipeline.serving.graph_tensors import latents
from pipeline.serving.runtime.generator import Graph, checked_seed, to_uint8
from pipeline.serving.runtime.tiling import OVERLAP, TILE, Tiles, bands


class ImageToImage:
    """An opened image-to-image graph.

    Attributes:
        graph, metadata, provider: the opened file, and what it says.
        styles: whether it also takes z, the style: one picture has many results then.
        fixed: whether it takes pictures of its resolution alone.
    """

    def __init__(self, source: Path | Graph) -> None:
        """Raises InputError when the file cannot be opened (see `Graph`), or takes no image."""
        self.graph = source if isinstance(source, Graph) else Graph(source)
        self.metadata, self.provider = self.graph.metadata, self.graph.provider
        if not {"image"} <= set(self.graph.inputs) <= {"image", "z"} or "images" not in self.graph.outputs:
            draws = "z" in self.graph.inputs and "images" in self.graph.outputs
            raise self.graph.mismatch(
                "an image to images",
                "Use `ganline sample`: it generates images from latents"
                if draws
                else "Use the generator.onnx in the same folder",
            )
        self.styles = "z" in self.graph.inputs
        self.fixed = self.metadata.multiple == 0

    def __call__(
        self, picture: UInt8Array, tile: int = TILE, overlap: int = OVERLAP, style: Float32Array | None = None
    ) -> UInt8Array:
        """uint8 [H, W, C] -> uint8 [scale H, scale W, C], in `tiles`; `style` [1, d] where the graph takes one, by default that of seed 0."""
        if self.styles and style is None:
            style = self.style()

        def run(piece: npt.NDArray[Any]) -> Float32Array:
            found: Float32Array = self.graph.session.run(["images"], self.inputs(piece, style))[0]
            return found

        return joined(bands(run, self.tiles(picture, tile, overlap)))

    def tiles(self, picture: UInt8Array, tile: int = TILE, overlap: int = OVERLAP) -> Tiles:
        """The pieces of a picture uint8 [H, W, C], and the bands uint8 [rows, scale W, C] of its result. Raises InputError for impossible tiles."""
        return self.cut(picture.transpose(2, 0, 1), tile, overlap, pixels)

    def exact_tiles(self, image: Float32Array, tile: int = TILE, overlap: int = OVERLAP) -> Tiles:
        """The same of an image float32 [C, H, W], to bands float32 [C, rows, scale W]."""
        return self.cut(image, tile, overlap, np.array)

    def cut(self, image: npt.NDArray[Any], tile: int, overlap: int, finish: Any) -> Tiles:
        if self.fixed:  # one piece, whatever its size
            return Tiles(
                image, self.metadata.scale, max(self.metadata.item.height, self.metadata.item.width, 6), 2, 1, finish
            )
        return Tiles(image, self.metadata.scale, tile, overlap, self.metadata.multiple, finish)

    def inputs(self, piece: npt.NDArray[Any], style: Float32Array | None) -> dict[str, npt.NDArray[Any]]:
        """What the graph takes: the image, from 8 bits as x / 127.5 - 1, and the style."""
        image = piece.astype(np.float32) / np.float32(127.5) - np.float32(1) if piece.dtype == np.uint8 else piece
        return {"image": image} if style is None else {"image": image, "z": style}

    def style(self, seed: int | None = None) -> Float32Array:
        """The style [1, d] of a seed, by default 0. Raises InputError where the graph takes none, or outside 0 .. 2^64-1."""
        if not self.styles:
            raise InputError(
                f"this model ({self.metadata.variant}) has no styles: one picture has one result; leave the seed out"
            )
        return latents(checked_seed(seed or 0), 0, 1, self.metadata.latent)

    def target(self, largest: int) -> Target:
        """How a picture is read for the graph: as it is, or fitted to the one size there is; `largest` bounds the pixels of the result."""
        channels = "gray" if self.metadata.item.channels == 1 else "rgb"
        side, fit = (self.metadata.item.height, "crop") if self.fixed else (1, "keep")
        return Target(side, channels, fit=fit, max_pixels=largest // self.metadata.scale**2)  # type: ignore[arg-type]


class Styles:
    """A graph from pictures to styles, beside the generator that takes them."""

    def __init__(self, path: Path) -> None:
        """Raises InputError when the file cannot be opened (see `Graph`), or gives no styles."""
        self.graph = Graph(path)
        if self.graph.inputs != ["image"] or "z" not in self.graph.outputs:
            raise self.graph.mismatch("an image to its style z", "Export the model again: `dvc repro -f export`")

    def of(self, path: Path) -> Float32Array:
        """The style [1, d] of a picture, cut to the square that training saw. Raises InputError where it cannot be read."""
        metadata = self.graph.metadata
        target = Target(metadata.item.height, "gray" if metadata.item.channels == 1 else "rgb", max_pixels=LARGEST)
        try:
            picture = decode(path.read_bytes(), target).pixels
        except (BadImage, OSError) as error:
            raise InputError(
                f"{path}: {getattr(error, 'strerror', None) or error}; --example takes a picture"
            ) from None
        image = picture.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(127.5) - np.float32(1)
        found: Float32Array = self.graph.session.run(["z"], {"image": image})[0]
        return found


LARGEST = 1_000_000_000
"""Pixels of a result, at most, where nobody says less: what is larger hardly any program opens."""


def pixels(band: Float32Array) -> UInt8Array:
    """float32 [C, H, W] -> uint8 [H, W, C]."""
    found: UInt8Array = to_uint8(band[None])[0]
    return found


def joined(parts: Sequence[npt.NDArray[Any]], axis: int = 0) -> npt.NDArray[Any]:
    return np.ascontiguousarray(parts[0]) if len(parts) == 1 else np.concatenate(parts, axis=axis)
