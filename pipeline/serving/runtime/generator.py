"""Exported graphs in ONNX Runtime, and generators that turn latents into items. Runs without torch."""

import functools
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.arrays import Float32Array, Items
from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.media.registry import find_medium
from pipeline.serving.graph_tensors import TENSORS, Arrays, latents, parse_conditions, take_in_turn
from pipeline.serving.onnx.graph_digest import check_digest
from pipeline.serving.onnx.metadata import PREFIX, Metadata
from pipeline.serving.runtime.session import Provider, open_session

BATCH = 64
LARGEST_SEED = 2**64 - 1


class Graph:
    """An opened ONNX file that ganline exported.

    Attributes:
        metadata: Parsed metadata of the file.
        pairs: The same as stored, with keys of the version that exported the file.
        medium: The medium of the items that the graph generates or transforms.
        provider: The ONNX Runtime provider in use.
        inputs, outputs: Names of the tensors.
    """

    def __init__(
        self,
        path: Path,
        content: bytes | None = None,
        *,
        provider: Provider = "auto",
        strict: bool = False,
        spin: bool = True,
        threads: int = 0,
    ) -> None:
        """Open `path`, or `content` if it was read before; see `open_session` for the other arguments.

        Raises InputError if the file is missing, is no ONNX model, was not exported by ganline, or is damaged.
        """
        self.path = path
        content = read_model(path) if content is None else content
        self.session = open_session(content, str(path), provider=provider, strict=strict, spin=spin, threads=threads)
        stored = self.session.get_modelmeta().custom_metadata_map
        check_digest(content, stored, str(path))
        self.metadata = Metadata.read(stored, str(path))
        self.pairs = {key: value for key, value in stored.items() if key.startswith(PREFIX)}
        self.medium = find_medium(self.metadata.item.medium)
        self.provider: str = self.session.get_providers()[0]
        self.inputs = [tensor.name for tensor in self.session.get_inputs()]
        self.outputs = [tensor.name for tensor in self.session.get_outputs()]

    @property
    def item_input(self) -> str:
        """Name of the input that holds the item to transform, or the frames to predict from."""
        return "frames" if self.metadata.past else self.medium.input_name(self.metadata.item)

    @property
    def items_output(self) -> str:
        """Name of the output that holds items, or predicted frames."""
        return "next_frames" if self.metadata.past else self.medium.output_name(self.metadata.item)

    @functools.cached_property
    def result(self) -> tuple[str, ItemSpec]:
        """Name and spec of what people get: the items, or what a vocoder makes of them."""
        item = self.metadata.item
        return self.medium.sound(item) if self.metadata.vocoder else (self.items_output, item)

    @property
    def result_output(self) -> str:
        """Name of the output that people get."""
        return self.result[0]

    @property
    def result_item(self) -> ItemSpec:
        """Spec of what people get."""
        return self.result[1]

    def to_items(self, values: Float32Array) -> Items:
        """Convert the output that people get, float [n, C, H, W] or [n, C, W], to items [n, H, W, C]."""
        flat = values[:, :, None] if values.ndim == 3 else values
        return self.medium.from_network(flat, self.result_item)

    def mismatch(self, expected: str, advice: str) -> InputError:
        """Return the error for a graph with other tensors than `expected`."""
        return InputError(
            f"{self.path}: maps {', '.join(self.inputs)} to {', '.join(self.outputs)}, not {expected}. {advice}."
        )


class Generator:
    """An exported graph that generates items from latents.

    Attributes:
        graph, session, metadata, provider, inputs: The opened file and its description.
        classes: Names of the labels, in their order; empty if the graph takes no label.
    """

    def __init__(self, source: Path | Graph) -> None:
        """Raise InputError if the file cannot be opened (see `Graph`) or does not map latents to images."""
        self.graph = source if isinstance(source, Graph) else Graph(source)
        self.session, self.metadata, self.provider, self.inputs = (
            self.graph.session,
            self.graph.metadata,
            self.graph.provider,
            self.graph.inputs,
        )
        others = set(self.inputs) - {"z"}
        settable = all(name in TENSORS and TENSORS[name].control is not None for name in others)
        if "z" not in self.inputs or not settable or self.graph.items_output not in self.graph.outputs:
            raise self.graph.mismatch(
                f"latents z to {self.graph.items_output}",
                "Use `ganline apply`"
                if self.graph.item_input in self.inputs
                else "Use the generator.onnx in the same folder",
            )
        self.classes = self.metadata.classes if "label" in self.inputs else []

    def sample(self, n: int, seed: int = 0, **values: Any) -> Items:
        """Return `n` items [n, H, W, C]. Item i depends on (seed, i) and its conditions alone, not on n.

        `values` are those of the controls in `graph_tensors`, such as label=["cat", "dog"] or psi=0.7. Raises
        InputError for n < 1, a seed outside of 0 .. 2^64-1, and values that do not exist or that the graph does not
        take.
        """
        return np.concatenate(list(self.stream(n, seed, self.conditions(**values))))

    def stream(self, n: int, seed: int, conditions: Arrays) -> Iterator[Items]:
        """Yield what `sample` returns in batches, so that memory does not grow with n."""
        if n < 1:
            raise InputError(f"the number of items must be at least 1, not {n}.")
        for start in range(0, n, BATCH):
            size = min(BATCH, n - start)
            yield self.items_of(seed, start, size, take_in_turn(conditions, size, start))

    def items_of(self, seed: int, first: int, n: int, conditions: Arrays) -> Items:
        """Return the items first .. first+n-1 of a seed, [n, H, W, C]; `conditions` has a row for each."""
        return self.generate(self.latents(seed, first, n), conditions)

    def lengthen(self, frames: int) -> None:
        """Make clips of another number of frames from now on.

        Raises InputError for models whose items have a fixed number of frames.
        """
        if not self.metadata.motion:
            raise InputError(f"this model ({self.metadata.variant}) makes no clips of any length. Omit --frames.")
        self.metadata = self.graph.metadata = self.metadata.lengthened(frames)

    def conditions(self, **values: Any) -> Arrays:
        """Return the rows of every condition that the graph takes; see `parse_conditions`."""
        return parse_conditions(values, self.inputs, self.metadata)

    def latents(self, seed: int, first: int, n: int) -> Float32Array:
        """Return z of the items first .. first+n-1. Raises InputError for a seed outside of 0 .. 2^64-1."""
        return latents(checked_seed(seed), first, n, self.metadata.latent)

    def run(self, inputs: Arrays) -> Float32Array:
        """Run one batch and return the output that people get."""
        output: Float32Array = self.session.run([self.graph.result_output], inputs)[0]
        return output

    def generate(self, z: Float32Array, conditions: Arrays) -> Items:
        """Return the items of latents [n, latent], [n, H, W, C]; they use the rows of `conditions` in turn."""
        inputs = {"z": z, **take_in_turn(conditions, len(z))}
        batches = (slice(start, start + BATCH) for start in range(0, len(z), BATCH))
        return np.concatenate(
            [self.graph.to_items(self.run({name: inputs[name][batch] for name in self.inputs})) for batch in batches]
        )


def checked_seed(seed: int) -> int:
    """Return the seed. Raises InputError outside of 0 .. 2^64-1."""
    if not 0 <= seed <= LARGEST_SEED:
        raise InputError(f"the seed must lie in 0 .. 2^64-1, not {seed}.")
    return seed


def read_model(path: Path) -> bytes:
    """Return the content of an exported file. Raises InputError if it is missing, no regular file, or unreadable."""
    try:
        # Without O_NONBLOCK, opening a named pipe waits for its writer.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InputError(f"{path}: not a regular file. Choose an exported graph with --model.")
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{path}: no such file. Run `dvc repro` to export it, or choose another with --model."
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
