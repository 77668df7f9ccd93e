"""Exported graphs that transform images: restoration and translation, in tiles if an image is large."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Float32Array, UInt8Array
from pipeline.errors import InputError
from pipeline.media.image.image import BadImage, Target, decode
from pipeline.serving.graph_tensors import Arrays, latents
from pipeline.serving.runtime.generator import Generator, Graph, checked_seed, to_uint8
from pipeline.serving.runtime.tiling import OVERLAP, TILE, Tiles, run_tiles

LARGEST_RESULT = 1_000_000_000
"""Largest number of pixels of a result unless a caller sets a lower one; few programs open larger images."""


@dataclass(frozen=True)
class TileSize:
    """Size of the tiles of large images, and how far they overlap; see `tiling`."""

    tile: int = TILE
    overlap: int = OVERLAP


class ImageToImage:
    """An opened graph that maps images to images.

    Attributes:
        graph, metadata, provider: The opened file and its description.
        styles: The graph also takes z, a style: one image has many results.
        fixed: The graph takes images of one size only.
    """

    def __init__(self, source: Path | Graph) -> None:
        """Raise InputError if the file cannot be opened (see `Graph`) or takes no image."""
        self.graph = source if isinstance(source, Graph) else Graph(source)
        self.metadata, self.provider = self.graph.metadata, self.graph.provider
        if not {"image"} <= set(self.graph.inputs) <= {"image", "z"} or "images" not in self.graph.outputs:
            generates = "z" in self.graph.inputs and "images" in self.graph.outputs
            raise self.graph.mismatch(
                "an image to images",
                "Use `ganline sample`: it generates images from latents"
                if generates
                else "Use the generator.onnx in the same folder",
            )
        self.styles = "z" in self.graph.inputs
        self.fixed = self.metadata.multiple == 0

    def __call__(self, image: UInt8Array, size: TileSize | None = None, conditions: Arrays | None = None) -> UInt8Array:
        """Transform uint8 [H, W, C] to uint8 [scale H, scale W, C]; `conditions` are by default those of seed 0."""
        rows = self.conditions() if conditions is None else conditions

        def run(tile: npt.NDArray[Any]) -> Float32Array:
            output: Float32Array = self.graph.session.run(["images"], self.inputs(tile, rows))[0]
            return output

        return join(run_tiles(run, self.tiles(image, size)))

    def conditions(self, seed: int | None = None) -> Arrays:
        """Return the inputs besides the image, one row each: the style of a seed, by default 0.

        Raises InputError for a seed outside of 0 .. 2^64-1, or if the graph takes no style.
        """
        if not self.styles:
            if seed is not None:
                raise InputError(
                    f"this model ({self.metadata.variant}) has no styles: an image has one result. Omit the seed."
                )
            return {}
        return {"z": latents(checked_seed(seed or 0), 0, 1, self.metadata.latent)}

    def inputs(self, tile: npt.NDArray[Any], conditions: Arrays) -> Arrays:
        """Return the inputs of the graph for one tile, which is converted from 8 bits if necessary."""
        image = tile.astype(np.float32) / np.float32(127.5) - np.float32(1) if tile.dtype == np.uint8 else tile
        return {"image": image, **conditions}

    def tiles(self, image: UInt8Array, size: TileSize | None = None) -> Tiles:
        """Split an image uint8 [H, W, C]; its bands are uint8 [rows, scale W, C].

        Raises InputError for tiles that overlap entirely.
        """
        return self.split(image.transpose(2, 0, 1), size, to_pixels)

    def float_tiles(self, image: Float32Array, size: TileSize | None = None) -> Tiles:
        """Split an image float32 [C, H, W]; its bands are float32 [C, rows, scale W]."""
        return self.split(image, size, np.array)

    def split(
        self, image: npt.NDArray[Any], size: TileSize | None, finish: Callable[[Float32Array], npt.NDArray[Any]]
    ) -> Tiles:
        """Split an image [C, H, W]; a graph for one size gets it in one tile."""
        size, item, multiple = size or TileSize(), self.metadata.item, self.metadata.multiple
        if self.fixed:
            size, multiple = TileSize(max(item.height, item.width, 6), 2), 1
        return Tiles(image, self.metadata.scale, tile=size.tile, overlap=size.overlap, multiple=multiple, finish=finish)

    def target(self, largest: int) -> Target:
        """Return how an image is decoded: as it is, or fitted to the graph's one size.

        `largest` limits the pixels of the result.
        """
        channels = "gray" if self.metadata.item.channels == 1 else "rgb"
        side, fit = (self.metadata.item.height, "crop") if self.fixed else (1, "keep")
        return Target(side, channels, fit=fit, max_pixels=largest // self.metadata.scale**2)  # type: ignore[arg-type]


def open_model(graph: Graph) -> Generator | ImageToImage:
    """Return what the graph is by its inputs. Raises InputError if it is neither."""
    return ImageToImage(graph) if "image" in graph.inputs else Generator(graph)


class StyleEncoder:
    """A graph that maps images to styles, exported next to the generator that takes them."""

    def __init__(self, path: Path) -> None:
        """Raise InputError if the file cannot be opened (see `Graph`) or returns no styles."""
        self.graph = Graph(path)
        if self.graph.inputs != ["image"] or "z" not in self.graph.outputs:
            raise self.graph.mismatch("an image to its style z", "Export the model again: `dvc repro -f export`")

    def encode(self, path: Path) -> Float32Array:
        """Return the style [1, d] of an image, cropped to the size used in training.

        Raises InputError if the image cannot be read.
        """
        item = self.graph.metadata.item
        target = Target(item.height, "gray" if item.channels == 1 else "rgb", max_pixels=LARGEST_RESULT)
        try:
            pixels = decode(path.read_bytes(), target).pixels
        except (BadImage, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{path}: {reason}. --example takes an image.") from None
        image = pixels.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(127.5) - np.float32(1)
        style: Float32Array = self.graph.session.run(["z"], {"image": image})[0]
        return style


def to_pixels(band: Float32Array) -> UInt8Array:
    """Convert float32 [C, H, W] to uint8 [H, W, C]."""
    pixels: UInt8Array = to_uint8(band[None])[0]
    return pixels


def join(bands: Sequence[npt.NDArray[Any]], axis: int = 0) -> npt.NDArray[Any]:
    """Concatenate bands."""
    return np.ascontiguousarray(bands[0]) if len(bands) == 1 else np.concatenate(bands, axis=axis)
