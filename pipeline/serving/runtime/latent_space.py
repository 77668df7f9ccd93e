"""The latents that edits move: z, or the styles between the two parts of a generator with a mapping network."""

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

from pipeline.arrays import Float32Array, Items
from pipeline.errors import InputError
from pipeline.serving.graph_tensors import Arrays, take_in_turn
from pipeline.serving.runtime.generator import BATCH, Generator, Graph


def open_part(graph: Graph, name: str, purpose: str) -> Graph:
    """Open another graph of the same model, which lies next to `graph`.

    Args:
        graph: The generator.
        name: File name without its suffix.
        purpose: Begin of the sentence that says what for, such as "An edit of styles needs it".

    Raises:
        InputError: It is missing, or belongs to another model.
    """
    path = graph.path.with_name(f"{name}.onnx")
    if not path.is_file():
        raise InputError(f"{path}: no such file. {purpose} next to {graph.path.name}.")
    part = Graph(path)
    if part.metadata != graph.metadata:
        raise InputError(f"{path}: was not exported together with {graph.path.name}. Export the model again.")
    return part


class LatentSpace:
    """z of a generator: latents [n, d]. The generator itself turns them into items.

    Attributes:
        name: As in directions.json.
    """

    name: Literal["z", "w"] = "z"

    def __init__(self, generator: Generator) -> None:
        self.generator = generator

    def encode(self, z: Float32Array, conditions: Arrays) -> Float32Array:
        """Return the latents of z [n, latent]; conditions are used in turn."""
        return z

    def render(self, latents: Float32Array, conditions: Arrays) -> Items:
        """Return the items [n, H, W, C] of latents; conditions are used in turn."""
        return self.generator.generate(latents, conditions)

    def check_shift(self, shift: Float32Array) -> None:
        """Raise InputError unless a shift fits the latents, which are longer if clips are."""
        if len(shift) != self.generator.metadata.latent:
            raise InputError("--edit: the directions are those of clips of the trained length. Omit --frames.")


class StyleSpace(LatentSpace):
    """Styles w: latents [n, layers, width]. `generator.onnx` returns them, and `synthesis.onnx` renders them.

    Attributes:
        layers: Number of layers that take a style.
    """

    name = "w"

    def __init__(self, generator: Generator) -> None:
        super().__init__(generator)
        self.synthesis = open_part(generator.graph, "synthesis", "An edit of styles needs it")
        self.layers = int(self.synthesis.session.get_inputs()[0].shape[1])

    def encode(self, z: Float32Array, conditions: Arrays) -> Float32Array:
        """Return the styles of z."""
        inputs = {"z": z, **take_in_turn(conditions, len(z))}
        graph = self.generator.graph
        return in_batches(len(z), lambda at: graph.session.run(["w"], {k: inputs[k][at] for k in graph.inputs})[0])

    def render(self, latents: Float32Array, conditions: Arrays) -> Items:
        """Return the items of styles, which contain the conditions already."""
        graph = self.synthesis
        return in_batches(
            len(latents),
            lambda at: graph.to_items(graph.session.run([graph.result_output], {"w": latents[at]})[0]),
        )

    def check_shift(self, shift: Float32Array) -> None:
        """A shift is added to the style of every layer."""


def in_batches(n: int, compute: Callable[[slice], Items]) -> Items:
    """Return the results for rows 0 .. n-1, computed in batches."""

    def parts() -> Iterator[Items]:
        for start in range(0, n, BATCH):
            yield compute(slice(start, start + BATCH))

    return np.concatenate(list(parts()))


def open_space(generator: Generator) -> LatentSpace:
    """Return the space of styles if the generator has styles, else that of z."""
    return StyleSpace(generator) if "w" in generator.graph.outputs else LatentSpace(generator)
