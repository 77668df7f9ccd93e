"""A model that is ready to serve: opened, warmed up, and checked to give the same result in every batch."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError
from pipeline.serving.graph_tensors import Arrays, example_inputs, generated_shape
from pipeline.serving.http.served_edits import ServedEdits
from pipeline.serving.runtime.generator import Generator, Graph
from pipeline.serving.runtime.image_to_image import ImageToImage
from pipeline.serving.runtime.open_model import open_model
from pipeline.serving.runtime.session import Provider
from pipeline.serving.runtime.tiling import TILE

PROBES = 8
"""Number of different example inputs that the warm-up compares."""

DATATYPES = {"tensor(float)": "FP32", "tensor(int64)": "INT64"}
"""Names of ONNX Runtime's types in the Open Inference Protocol."""

DTYPES: Mapping[str, npt.DTypeLike] = {"FP32": np.float32, "INT64": np.int64}


@dataclass(frozen=True)
class ModelFile:
    """A model as its source delivers it; clients see `name` and `version`, error messages `path`."""

    name: str
    version: str
    path: Path
    content: bytes

    @property
    def sha256(self) -> str:
        """Checksum of the content."""
        return sha256_of(self.content)


@dataclass(frozen=True)
class TensorInfo:
    """An input or output: its datatype in the Open Inference Protocol, and the shape of one row, -1 for any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class LoadedModel:
    """A model that passed its warm-up.

    Attributes:
        model: Generates items from latents, or transforms items.
        edits: The edits that it offers.
        any_size: The model takes images of any size. Kernels depend on the shape, so agreement at one size says
            nothing about another: such images are computed one by one, large ones in tiles of side `tile`.
        sizes: Ascending batch sizes that all gave bit-identical results; only these are run.
    """

    def __init__(
        self,
        file: ModelFile,
        largest_batch: int,
        provider: Provider = "auto",
        *,
        strict: bool = False,
        tile: int = TILE,
        threads: int = 0,
    ) -> None:
        """Open the model and run it. Raises InputError if it cannot be used or returns invalid items."""
        self.graph = Graph(file.path, file.content, provider=provider, strict=strict, spin=False, threads=threads)
        self.model = open_model(self.graph)
        self.name, self.version, self.sha256, self.path = file.name, file.version, file.sha256, file.path
        self.any_size = isinstance(self.model, ImageToImage) and not self.model.fixed
        self.tile = tile
        self.edits = ServedEdits(self.model)
        lengths = {"z": (self.graph.metadata.latent,)}  # a longer z would make clips of another length
        self.inputs = [
            replace(info, shape=lengths.get(info.name, info.shape))
            for info in map(tensor_info, self.graph.session.get_inputs())
        ]
        # Only images can be assembled from tiles.
        self.outputs = [
            tensor_info(tensor)
            for tensor in self.graph.session.get_outputs()
            if not self.any_size or tensor.name == self.graph.items_output
        ]
        if self.any_size:
            self.check_any_size()
        self.sizes = (1,) if self.any_size else self.find_stable_sizes(largest_batch)

    @property
    def generator(self) -> Generator:
        """The model as a generator. Raises InputError if it transforms images."""
        if isinstance(self.model, ImageToImage):
            raise InputError(
                f"this model ({self.graph.metadata.variant}) transforms images: POST one to /apply, or drop it on the "
                "page."
            )
        return self.model

    @property
    def transform(self) -> ImageToImage:
        """The model as a transformation. Raises InputError if it takes no images."""
        if isinstance(self.model, Generator):
            raise InputError(
                f"this model ({self.graph.metadata.variant}) takes no images, it generates them from a seed: "
                "GET /item?seed=7"
            )
        return self.model

    def run(self, inputs: Arrays, outputs: Iterable[str]) -> Arrays:
        """Run one batch of n <= `batch_size(n)` rows and return the outputs by name; a short batch is padded."""
        n = len(next(iter(inputs.values())))
        missing = self.batch_size(n) - n
        if missing:
            inputs = {name: np.concatenate([rows, rows[-1:].repeat(missing, axis=0)]) for name, rows in inputs.items()}
        names = list(outputs)
        return {name: rows[:n] for name, rows in zip(names, self.graph.session.run(names, inputs), strict=True)}

    def batch_size(self, rows: int) -> int:
        """Return the largest batch size that so many waiting rows fill, else the smallest."""
        return max((size for size in self.sizes if size <= rows), default=self.sizes[0])

    def find_stable_sizes(self, largest: int) -> tuple[int, ...]:
        """Return the sizes up to `largest` that agree bit for bit with the largest self-consistent one.

        Kernels depend on the shape and may sum in another order, such as a matrix-vector product for a batch of one.
        """
        sizes = sorted({*(2**k for k in range(largest.bit_length())), largest})
        results = {size: [self.probe(size, shift) for shift in (0, PROBES // 2 + 1)] for size in sizes}
        for reference in reversed(sizes):
            expected = results[reference][0][1][:PROBES]
            stable = tuple(
                size
                for size in sizes
                if size <= reference and all((bits == expected[places]).all() for places, bits in results[size])
            )
            if reference in stable:
                return stable
        raise self.unstable()

    def check_any_size(self) -> None:
        """Run images of the training size twice, of an odd size, and of a whole tile, which shows memory problems."""
        item, step = self.graph.metadata.item, self.graph.metadata.multiple
        (_, first), (_, second) = self.probe(1, 0), self.probe(1, 0)
        if not np.array_equal(first, second):
            raise self.unstable()
        self.probe(1, 0, (item.height + step, item.width + 2 * step), count=1)
        self.probe(1, 0, (self.tile, self.tile), count=1)

    def unstable(self) -> InputError:
        """Return the error for a graph that is not deterministic."""
        return InputError(
            f"{self.path}: the same input gives a different result every time. A served graph must contain no random "
            "operations."
        )

    def probe(
        self, batch: int, shift: int, shape: tuple[int, int] | None = None, *, count: int = PROBES
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
        """Run `count` examples in batches of `batch`, repeated and shifted by `shift` places.

        Returns which example stands in each place, and the bits of its result. `shape` is the height and width of
        items, by default those of training.
        """
        metadata = self.graph.metadata if shape is None else self.graph.metadata.resized(*shape)
        places = (np.arange(-(-max(batch, count) // batch) * batch) - shift) % count
        inputs = example_inputs(self.graph.inputs, metadata, count)
        batches = (
            {name: rows[places[start : start + batch]] for name, rows in inputs.items()}
            for start in range(0, len(places), batch)
        )
        item = metadata.item
        what = f"batches of {batch}" + (f", {item.height} x {item.width} pixels," if self.any_size else "")
        try:
            images = np.concatenate([self.graph.session.run([self.graph.items_output], rows)[0] for rows in batches])
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's exception classes derive from Exception alone
            advice = "Lower --tile?" if self.any_size else "Lower --max-batch?"
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{self.path}: its warm-up with {what} failed ({reason}). {advice}") from None
        expected = (len(places), *generated_shape(metadata))
        if images.shape != expected or images.dtype != np.float32:
            raise InputError(
                f"{self.path}: its warm-up returned {images.dtype} {images.shape}, but its metadata promises float32 "
                f"{expected}. Export it again."
            )
        if not np.isfinite(images).all():
            raise InputError(
                f"{self.path}: its warm-up returned values that are not finite. Train and export it again."
            )
        return places, np.ascontiguousarray(images).view(np.uint32)


def sha256_of(content: bytes) -> str:
    """Return the checksum of a file's content."""
    return hashlib.sha256(content).hexdigest()


def tensor_info(tensor: Any) -> TensorInfo:
    """Describe a tensor of an ONNX Runtime session."""
    shape = tuple(size if isinstance(size, int) else -1 for size in tensor.shape[1:])
    return TensorInfo(tensor.name, DATATYPES.get(tensor.type, tensor.type), shape)
