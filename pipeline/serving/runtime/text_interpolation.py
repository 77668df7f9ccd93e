"""Interpolate between texts: the two parts of a text-to-image generator, which lie next to it."""

import numpy as np

from pipeline.arrays import Float32Array, Int64Array, Items
from pipeline.serving.graph_tensors import Arrays, take_in_turn
from pipeline.serving.runtime.generator import BATCH, Generator
from pipeline.serving.runtime.interpolation import loop, strips
from pipeline.serving.runtime.latent_space import open_part


class TextInterpolation:
    """The graphs `text.onnx` and `synthesis.onnx` of the model of a generator.

    Raises:
        InputError: A graph is missing, or belongs to another model.
    """

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.text, self.synthesis = (
            open_part(generator.graph, name, "An interpolation between texts needs it")
            for name in ("text", "synthesis")
        )

    def path(self, tokens: Int64Array, steps: int, *, closed: bool) -> Float32Array:
        """Return the sentences on the way through texts [k, L], `steps` from each to the next, [m, width].

        A closed path returns to the first text; an open one contains the last.
        """
        (sentences,) = self.text.session.run(["sentences"], {"tokens": tokens})
        if closed:
            return loop(sentences, steps)
        ways = strips(sentences, steps)
        return ways.reshape(-1, ways.shape[-1])

    def draw(self, z: Float32Array, sentences: Float32Array, conditions: Arrays) -> Items:
        """Return the items of latents [n, latent] and sentences [n, width]; they use other conditions in turn."""
        others = {name: rows for name, rows in conditions.items() if name in self.synthesis.inputs}
        inputs = {"z": z, "sentences": sentences, **take_in_turn(others, len(z))}
        parts = []
        for start in range(0, len(z), BATCH):
            batch = {name: inputs[name][start : start + BATCH] for name in self.synthesis.inputs}
            (values,) = self.synthesis.session.run([self.synthesis.items_output], batch)
            parts.append(self.synthesis.to_items(values))
        return np.concatenate(parts)
