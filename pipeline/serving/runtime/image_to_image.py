"""Exported graphs that transform items: restoration and translation, in tiles if an image is large."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Float32Array, Items
from pipeline.errors import InputError
from pipeline.media.codec import BadItem, Encoded, TransformInput
from pipeline.serving.controls import class_indices
from pipeline.serving.graph_tensors import Arrays, latents
from pipeline.serving.runtime.generator import Graph, checked_seed
from pipeline.serving.runtime.tiling import OVERLAP, TILE, Tiles, Windows, run_tiles

if TYPE_CHECKING:
    from PIL import Image

ALL = "all"
"""The label that asks for all classes, unless a class has this name."""

LARGEST_RESULT = 1_000_000_000
"""Largest number of pixels of a result unless a caller sets a lower one; few programs open larger images."""


@dataclass(frozen=True)
class TileSize:
    """Size of the tiles of large images, and how far they overlap; see `tiling`.

    Attributes:
        frames: Of a clip, how many frames to predict; None for the default, or for models that predict none.
    """

    tile: int = TILE
    overlap: int = OVERLAP
    frames: int | None = None


class ImageToImage:
    """An opened graph that maps items to items.

    Attributes:
        graph, metadata, provider: The opened file and its description.
        styles: The graph also takes z, a style: one image has many results.
        classes: Classes to translate to; empty for a graph without labels.
        fixed: The graph takes images of one size only.
    """

    def __init__(self, source: Path | Graph) -> None:
        """Raise InputError if the file cannot be opened (see `Graph`) or takes no image."""
        self.graph = source if isinstance(source, Graph) else Graph(source)
        self.metadata, self.provider = self.graph.metadata, self.graph.provider
        inputs, returns_items = set(self.graph.inputs), self.graph.items_output in self.graph.outputs
        item = self.graph.item_input
        if not {item} <= inputs <= {item, "z", "label", "reference"} or not returns_items:
            raise self.graph.mismatch(
                f"an {item} to {self.graph.items_output}",
                "Use `ganline sample`: it generates images from latents"
                if "z" in inputs and returns_items
                else "Use the generator.onnx in the same folder",
            )
        self.styles = "z" in inputs
        self.classes = self.metadata.classes if "label" in inputs else []
        self.fixed = self.metadata.multiple == 0

    def __call__(self, item: Items, size: TileSize | None = None, conditions: Arrays | None = None) -> Items:
        """Transform an item [H, W, C] to [scale H, scale W, C]; `conditions` are by default those of seed 0."""
        rows = self.conditions() if conditions is None else conditions

        def run(tile: npt.NDArray[Any]) -> Float32Array:
            output: Float32Array = self.graph.session.run([self.graph.items_output], self.inputs(tile, rows))[0]
            return output

        return join(run_tiles(run, self.tiles(item, size)))

    def conditions(self, seed: int | None = None, label: str | None = None) -> Arrays:
        """Return the inputs besides the image, one row each: the style of a seed, by default 0, and the class.

        Raises InputError for a seed outside of 0 .. 2^64-1, for a seed or a class that the graph does not take, and if
        it takes a class and none is given.
        """
        if not self.styles and seed is not None:
            raise InputError(
                f"this model ({self.metadata.variant}) has no styles: an image has one result. Omit the seed."
            )
        drawn = {"z": latents(checked_seed(seed or 0), 0, 1, self.metadata.latent)} if self.styles else {}
        return drawn | self.label(label)

    def label(self, name: str | None) -> Arrays:
        """Return the input for a class by name or index; empty for a graph that takes none."""
        if not self.classes:
            if name is not None:
                raise InputError(
                    f"this model ({self.metadata.variant}) translates to one domain. Omit the label. A model with two "
                    "directions has the other one in reverse.onnx."
                )
            return {}
        if name is None:
            raise InputError(
                f"this model ({self.metadata.variant}) needs a class to translate to. Set the label to one of "
                f"{', '.join(self.classes)}, or to {ALL} for all of them."
            )
        return {"label": class_indices([name], self.metadata)}

    def asks_for_all(self, label: str | None) -> bool:
        """Return whether `label` asks for all classes, which needs a graph that takes one."""
        return bool(self.classes) and label == ALL and ALL not in self.classes

    def choices(self, seed: int | None, label: str | None) -> list[Arrays]:
        """Return the conditions of the class that `label` names, or of each class if it asks for all."""
        labels: list[str | None] = [*self.classes] if self.asks_for_all(label) else [label]
        return [self.conditions(seed, one) for one in labels]

    def inputs(self, tile: npt.NDArray[Any], conditions: Arrays) -> Arrays:
        """Return the inputs of the graph for one tile [1, C, h, w], of an item or of network values."""
        if tile.dtype != np.float32:
            tile = self.graph.medium.to_network(tile.transpose(0, 2, 3, 1), self.metadata.item)
        return {self.graph.item_input: tile, **conditions}

    def tiles(self, item: Items, size: TileSize | None = None) -> Tiles:
        """Split an item [H, W, C]; its bands are [rows, scale W, C].

        Raises InputError for tiles that overlap entirely, and for a number of frames to predict.
        """
        if size is not None and size.frames is not None:
            raise InputError(f"this model ({self.metadata.variant}) predicts no frames. Omit their number.")
        return self.split(item.transpose(2, 0, 1), size, lambda band: self.graph.to_items(band[None])[0])

    def float_tiles(self, values: Float32Array, size: TileSize | None = None) -> Tiles:
        """Split network values float32 [C, H, W]; the bands are float32 [C, rows, scale W]."""
        return self.split(values, size, np.array)

    def split(
        self, values: npt.NDArray[Any], size: TileSize | None, finish: Callable[[Float32Array], npt.NDArray[Any]]
    ) -> Tiles:
        """Split values [C, H, W]; a graph for one size gets them in one tile."""
        size, item, multiple = size or TileSize(), self.metadata.item, self.metadata.multiple
        if self.fixed and self.graph.medium.lasts:
            return Windows(values, item.height, finish)
        if self.fixed and item.height == 1:
            # A line of any length, such as a recording: windows of the graph's length that overlap.
            overlap = max(2, item.width // 16 * 2)
            return Tiles(values, self.metadata.scale, tile=item.width, overlap=overlap, finish=finish, fill=True)
        if self.fixed:
            size, multiple = TileSize(max(item.height, item.width, 6), 2), 1
        return Tiles(
            values, self.metadata.scale, tile=size.tile, overlap=size.overlap, multiple=multiple, finish=finish
        )

    def result_size(self, data: bytes) -> tuple[int, int]:
        """Return height and width of the result for an encoded item, from its header. Raises BadItem."""
        height, width = self.graph.medium.encoded_size(data)
        return height * self.metadata.scale, width * self.metadata.scale

    def decode(self, data: bytes, largest: int = LARGEST_RESULT) -> TransformInput:
        """Decode an item as the graph takes it: in its own size, or fitted to the one that the graph takes.

        Raises BadItem if it cannot be decoded, or if the result has over `largest` pixels.
        """
        return decode_item(self.graph, data, own_size=not self.fixed, largest=largest // self.metadata.scale**2)

    def encode(
        self, item: Items, source: TransformInput, suffix: str | None = None, quality: int | None = None
    ) -> Encoded:
        """Return a result [H, W, C] as a file with the properties of its source; None takes the medium's defaults."""
        keeps_colours = self.metadata.keeps_colours
        return self.graph.medium.encode_result(
            item, self.metadata.item, source, suffix, quality=quality, keeps_colours=keeps_colours
        )


def draw_strip(model: ImageToImage, source: TransformInput, results: Sequence[Items]) -> "Image.Image":
    """Draw an item and its results for several classes, of the same size, in one row."""
    item = model.metadata.item
    spec = item.model_copy(update={"height": results[0].shape[0], "width": results[0].shape[1]})
    return model.graph.medium.preview(np.stack([source.values, *results]), spec, columns=1 + len(results))


class StyleEncoder:
    """A graph that maps images to styles, exported next to the generator that takes them."""

    def __init__(self, path: Path) -> None:
        """Raise InputError if the file cannot be opened (see `Graph`) or returns no styles."""
        self.graph = Graph(path)
        if self.graph.inputs != [self.graph.item_input] or "z" not in self.graph.outputs:
            raise self.graph.mismatch(
                f"an {self.graph.item_input} to its style z", "Export the model again: `dvc repro -f export`"
            )

    def encode(self, path: Path) -> Float32Array:
        """Return the style [1, d] of an image, fitted to the size used in training.

        Raises InputError if the image cannot be read.
        """
        values = read_example(self.graph, path)
        style: Float32Array = self.graph.session.run(["z"], {self.graph.item_input: values})[0]
        return style


def read_example(graph: Graph, path: Path) -> Float32Array:
    """Return an image as network values [1, C, H, W], fitted to the size used in training.

    Raises InputError if it cannot be read.
    """
    try:
        item = decode_item(graph, path.read_bytes(), own_size=False, largest=LARGEST_RESULT).values
    except (BadItem, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: {reason}. --example takes an image.") from None
    return graph.medium.to_network(item[None], graph.metadata.item)


def decode_item(graph: Graph, data: bytes, *, own_size: bool, largest: int) -> TransformInput:
    """Decode an item with the channels and dtype of the graph. Raises BadItem."""
    return graph.medium.decode_one(data, graph.metadata.item, own_size=own_size, largest=largest)


def join(bands: Sequence[npt.NDArray[Any]], axis: int = 0) -> npt.NDArray[Any]:
    """Concatenate bands."""
    return np.ascontiguousarray(bands[0]) if len(bands) == 1 else np.concatenate(bands, axis=axis)
