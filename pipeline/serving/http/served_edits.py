"""The edits that a served model offers: the directions in the file next to it."""

import hashlib
from collections.abc import Sequence

import numpy as np

from pipeline.arrays import Float32Array, Items
from pipeline.errors import InputError
from pipeline.serving.runtime.directions import FILE, Direction, Directions, read_directions
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.image_to_image import ImageToImage
from pipeline.serving.runtime.latent_space import StyleSpace, open_space


class ServedEdits:
    """Directions of a model, read when the model is loaded; none if there is no fitting directions.json next to it."""

    def __init__(self, model: Generator | ImageToImage) -> None:
        self.found: Directions | None = None
        self.styles: StyleSpace | None = None
        if not isinstance(model, Generator):
            return
        graph = model.graph
        try:
            found = read_directions(graph.path.with_name(FILE), graph.metadata)
            space = open_space(model)
        except InputError:
            return
        self.found = found
        self.styles = space if isinstance(space, StyleSpace) else None

    @property
    def directions(self) -> Sequence[Direction]:
        """The directions, in the order in which they are shown."""
        return self.found.directions if self.found else ()

    @property
    def digest(self) -> str:
        """Checksum of the directions; empty without any."""
        return hashlib.sha256(self.found.model_dump_json().encode()).hexdigest() if self.found else ""

    def shift(self, edits: Sequence[str]) -> Float32Array:
        """Return what edits add to z, or to the style of every layer. Raises InputError."""
        if self.found is None:
            raise InputError(
                "this model has no directions to edit along. Run `ganline directions`, then restart the service."
            )
        return self.found.shift(edits)

    def render(self, w: Float32Array) -> Items:
        """Return the items of styles [n, layers, width], computed one by one: the batch changes no bit."""
        assert self.styles is not None
        return np.concatenate([self.styles.render(row[None], {}) for row in w])
