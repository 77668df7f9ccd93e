"""One model, ready to serve: opened, warmed up, and known to draw the same picture whatever batch it is in."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError
from pipeline.serving.graph_tensors import TENSORS, Arrays, example_inputs
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.generator import Generator, Graph
from pipeline.serving.runtime.image_to_image import ImageToImage
from pipeline.serving.runtime.session import Provider
from pipeline.serving.runtime.tiling import TILE

PROBES = 8
DATATYPES = {"tensor(float)": "FP32", "tensor(int64)": "INT64"}
"""The Open Inference Protocol's names for ONNX Runtime's types."""
DTYPES: Mapping[str, npt.DTypeLike] = {"FP32": np.float32, "INT64": np.int64}


@dataclass(frozen=True)
class Found:
    """A model as its source gives it: `name` and `version` are what clients call it, `path` what errors do."""

    name: str
    version: str
    path: Path
    content: bytes

    @property
    def sha256(self) -> str:
        return self.digest(self.content)

    @staticmethod
    def digest(content: bytes) -> str:
        return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Tensor:
    """An input or output: its datatype as the Open Inference Protocol names it, and its shape without the batch, -1 where any size goes."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Served:
    """A model that passed its warm-up.

    Attributes:
        model: what it is: it draws from latents, or transforms pictures.
        any_size: whether it takes pictures of any height and width. Kernels are chosen by shape, so that what is steady at one size says
            nothing of another: such pictures go through one by one, larger ones in tiles of `tile`.
        sizes: rising batch sizes that all gave the probe pictures to the bit; no other is run.
    """

    def __init__(
        self, found: Found, largest: int, provider: Provider = "auto", *, strict: bool = False, tile: int = TILE
    ) -> None:
        """Opens the model and draws with it. Raises InputError when it cannot be used, or draws what is no picture."""
        self.graph = Graph(found.path, found.content, provider=provider, strict=strict, spin=False)
        self.model: Generator | ImageToImage = (
            ImageToImage(self.graph) if "image" in self.graph.inputs else Generator(self.graph)
        )
        self.name, self.version, self.sha256, self.path = found.name, found.version, found.sha256, found.path
        self.any_size = isinstance(self.model, ImageToImage) and not self.model.fixed
        self.tile = tile
        self.inputs = [tensor(one) for one in self.graph.session.get_inputs()]
        # Of a picture in tiles only the picture can be put together.
        self.outputs = [
            tensor(one) for one in self.graph.session.get_outputs() if not self.any_size or one.name == "images"
        ]
        if self.any_size:
            self.steady_at_any_size()
        self.sizes = (1,) if self.any_size else self.steady(largest)

    @property
    def generator(self) -> Generator:
        """Raises InputError where the model draws nothing from latents."""
        if isinstance(self.model, ImageToImage):
            raise InputError(
                f"this model ({self.graph.metadata.variant}) turns pictures into pictures: POST one to /apply, or drop it on the page"
            )
        return self.model

    @property
    def transformer(self) -> ImageToImage:
        """Raises InputError where the model takes no pictures."""
        if isinstance(self.model, Generator):
            raise InputError(
                f"this model ({self.graph.metadata.variant}) takes no pictures, it draws them from a seed: GET /image.png?seed=7"
            )
        return self.model

    def run(self, inputs: Arrays, outputs: Iterable[str]) -> Arrays:
        """One batch of n <= `size(n)` rows: the outputs, by name, of those rows. Shorter ones are filled up with their last row."""
        n = len(next(iter(inputs.values())))
        missing = self.size(n) - n
        if missing:
            inputs = {name: np.concatenate([rows, rows[-1:].repeat(missing, axis=0)]) for name, rows in inputs.items()}
        names = list(outputs)
        return {name: rows[:n] for name, rows in zip(names, self.graph.session.run(names, inputs), strict=True)}

    def size(self, rows: int) -> int:
        """The batch to make of so many waiting rows: the largest that they fill, else the smallest there is."""
        return max((size for size in self.sizes if size <= rows), default=self.sizes[0])

    def steady(self, largest: int) -> tuple[int, ...]:
        """The sizes up to `largest` that agree to the bit with the greatest one that agrees with itself at every place in the batch.

        Kernels are chosen by shape, and another may add in another order: matrix times vector where the batch is one, say.
        """
        sizes = sorted({*(2**k for k in range(largest.bit_length())), largest})
        drawn = {size: [self.probe(size, shift) for shift in (0, PROBES // 2 + 1)] for size in sizes}
        for reference in reversed(sizes):
            expected = drawn[reference][0][1][:PROBES]
            kept = tuple(
                size
                for size in sizes
                if size <= reference and all((bits == expected[places]).all() for places, bits in drawn[size])
            )
            if reference in kept:
                return kept
        raise self.unsteady()

    def steady_at_any_size(self) -> None:
        """Transforms probe pictures of the resolution, twice, of an odd size, and of a whole tile, which shows whether there is the memory for it."""
        item, step = self.graph.metadata.item, self.graph.metadata.multiple
        height, width = item.height, item.width
        (_, first), (_, second) = self.probe(1, 0, height, width), self.probe(1, 0, height, width)
        if not np.array_equal(first, second):
            raise self.unsteady()
        self.probe(1, 0, height + step, width + 2 * step, few=1)
        self.probe(1, 0, self.tile, self.tile, few=1)

    def unsteady(self) -> InputError:
        return InputError(
            f"{self.path}: draws another picture each time it is given the same input; a graph that is served must draw nothing at random"
        )

    def probe(
        self, size: int, shift: int, height: int = 0, width: int = 0, few: int = PROBES
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
        """Draws the probes, repeated in turn and `shift` places later, in batches of `size`: which probe stands where, and the bits of its image.

        What takes pictures is given `few` of noise, of that height and width, by default of the resolution.
        """
        item = self.graph.metadata.item
        height, width = height or item.height, width or item.width
        metadata = self.graph.metadata.resized(height, width)
        places = (np.arange(-(-max(size, few) // size) * size) - shift) % few
        inputs = example_inputs(self.graph.inputs, metadata, few)
        batches = (
            {name: rows[places[at : at + size]] for name, rows in inputs.items()} for at in range(0, len(places), size)
        )
        what = f"batches of {size}" + (f", {height} x {width} pixels," if self.any_size else "")
        try:
            images = np.concatenate([self.graph.session.run(["images"], batch)[0] for batch in batches])
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's exception classes derive from Exception alone
            way_out = "lower --tile?" if self.any_size else "lower --max-batch?"
            raise InputError(
                f"{self.path}: its warm-up with {what} failed ({' '.join(str(error).split())[:200]}); {way_out}"
            ) from None
        shape = (len(places), *promised(metadata))
        if images.shape != shape or images.dtype != np.float32:
            raise InputError(
                f"{self.path}: its warm-up gave {images.dtype} {images.shape} where its metadata promises float32 {shape}; export it again"
            )
        if not np.isfinite(images).all():
            raise InputError(f"{self.path}: its warm-up gave numbers that are not finite; train and export it again")
        return places, np.ascontiguousarray(images).view(np.uint32)


def promised(metadata: Metadata) -> tuple[int, ...]:
    """Return the shape of one generated item as the metadata describes it."""
    shape = TENSORS["images"].shape
    assert shape is not None
    return shape(metadata)


def tensor(described: Any) -> Tensor:
    shape = tuple(size if isinstance(size, int) else -1 for size in described.shape[1:])
    return Tensor(described.name, DATATYPES.get(described.type, described.type), shape)
