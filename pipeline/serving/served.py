"""One model, ready to serve: opened, warmed up, and known to draw the same picture whatever batch it is in."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError
from pipeline.serving.runtime import Generator
from pipeline.serving.session import Provider

Arrays = dict[str, npt.NDArray[Any]]

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
    """An input or output: its datatype as the Open Inference Protocol names it, and its shape without the batch."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Served:
    """A model that passed its warm-up.

    Attributes:
        sizes: rising batch sizes that all gave the probe pictures to the bit; no other is run.
    """

    def __init__(self, found: Found, largest: int, provider: Provider = "auto", *, strict: bool = False) -> None:
        """Opens the model and draws with it. Raises InputError when it cannot be used, or draws what is no picture."""
        self.generator = Generator(found.path, found.content, provider=provider, strict=strict, spin=False)
        self.name, self.version, self.sha256, self.path = found.name, found.version, found.sha256, found.path
        self.inputs = [tensor(one) for one in self.generator.session.get_inputs()]
        self.outputs = [tensor(one) for one in self.generator.session.get_outputs()]
        self.sizes = self.steady(largest)

    def run(self, inputs: Arrays, outputs: Iterable[str]) -> Arrays:
        """One batch of n <= `size(n)` rows: the outputs, by name, of those rows. Shorter ones are filled up with their last row."""
        n = len(inputs["z"])
        missing = self.size(n) - n
        if missing:
            inputs = {name: np.concatenate([rows, rows[-1:].repeat(missing, axis=0)]) for name, rows in inputs.items()}
        names = list(outputs)
        return {name: rows[:n] for name, rows in zip(names, self.generator.session.run(names, inputs), strict=True)}

    def size(self, rows: int) -> int:
        """The batch to make of so many waiting rows: the largest that they fill, else the smallest there is."""
        return max((size for size in self.sizes if size <= rows), default=self.sizes[0])

    def conditions(self, n: int, label: npt.NDArray[np.int64], psi: float) -> Arrays:
        """What the graph takes beside z, for n pictures: the labels in turn, and psi."""
        values: Arrays = {"label": np.resize(label, n), "psi": np.full(n, psi, dtype=np.float32)}
        return {name: values[name] for name in self.generator.inputs if name != "z"}

    def steady(self, largest: int) -> tuple[int, ...]:
        """The sizes up to `largest` that agree to the bit with the greatest one that agrees with itself at every place in the batch.

        Kernels are chosen by shape, and another may add in another order: matrix times vector where the batch is one, say.
        """
        sizes = sorted({*(2**k for k in range(largest.bit_length())), largest})
        drawn = {size: [self.probe(size, shift) for shift in (0, PROBES // 2 + 1)] for size in sizes}
        for reference in reversed(sizes):
            expected = drawn[reference][0][1][:PROBES]
            kept = tuple(size for size in sizes if size <= reference and all((bits == expected[places]).all() for places, bits in drawn[size]))
            if reference in kept:
                return kept
        raise InputError(f"{self.path}: draws another picture each time it is given the same latents; a graph that is served must draw nothing at random")

    def probe(self, size: int, shift: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
        """Draws the probes, repeated in turn and `shift` places later, in batches of `size`: which probe stands where, and the bits of its image."""
        places = (np.arange(-(-max(size, PROBES) // size) * size) - shift) % PROBES
        generator, metadata = self.generator, self.generator.metadata
        z = generator.latents(0, 0, PROBES)
        inputs = {"z": z, **self.conditions(PROBES, generator.labels(), 0.7)}
        batches = ({name: rows[places[at : at + size]] for name, rows in inputs.items()} for at in range(0, len(places), size))
        try:
            images = np.concatenate([generator.session.run(["images"], batch)[0] for batch in batches])
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's exception classes derive from Exception alone
            raise InputError(f"{self.path}: its warm-up with batches of {size} failed ({' '.join(str(error).split())[:200]}); lower --max-batch?") from None
        shape = (len(places), metadata.channels, metadata.resolution, metadata.resolution)
        if images.shape != shape or images.dtype != np.float32:
            raise InputError(f"{self.path}: its warm-up gave {images.dtype} {images.shape} where its metadata promises float32 {shape}; export it again")
        if not np.isfinite(images).all():
            raise InputError(f"{self.path}: its warm-up gave numbers that are not finite; train and export it again")
        return places, np.ascontiguousarray(images).view(np.uint32)


def tensor(described: Any) -> Tensor:
    return Tensor(described.name, DATATYPES.get(described.type, described.type), tuple(described.shape[1:]))
