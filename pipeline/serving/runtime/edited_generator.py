"""A generator whose latents are edited, mixed or given before they become items."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.arrays import Float32Array, Int64Array, Items
from pipeline.errors import InputError
from pipeline.serving.graph_tensors import Arrays, take_in_turn
from pipeline.serving.runtime.directions import FILE, read_directions
from pipeline.serving.runtime.generator import LARGEST_SEED, Generator
from pipeline.serving.runtime.label_mixture import SHARES, is_mixture, mixture_rows
from pipeline.serving.runtime.latent_space import StyleSpace, open_space
from pipeline.serving.runtime.saved_latent import SavedLatent, read_latent

GROUPS = ("coarse", "middle", "fine")
"""Thirds of a generator's layers: the first ones decide the shape, the last ones the detail."""


@dataclass(frozen=True)
class Edits:
    """What a person asks for besides seed and conditions.

    Attributes:
        steps: Steps along directions, such as "slant=+1.5".
        styles: Where groups of layers take their style from, such as "coarse:7,fine:photo.npz": a seed, or a file.
        latent: File with the latent of an item, in the place of a seed.
    """

    steps: tuple[str, ...] = ()
    styles: str = ""
    latent: Path | None = None


@dataclass(frozen=True)
class Sources:
    """Where latents come from.

    Attributes:
        latent: The latent of all items; None for those of the seed.
        layers: Layers, and the seed or the latent that their style comes from.
    """

    latent: SavedLatent | None = None
    layers: Sequence[tuple[Int64Array, int | SavedLatent]] = ()


def edit_generator(plain: Generator, edits: Edits, conditions: Mapping[str, Any]) -> Generator:
    """Return the generator as it is, or one that follows the edits.

    Args:
        plain: The generator.
        edits: What to change.
        conditions: Values by control; labels may be mixtures.

    Raises:
        InputError: The generator cannot do so, a file is missing or belongs to another model, or a value is wrong.
    """
    mixed = any(is_mixture(str(one), plain.classes) for one in conditions.get("label") or ())
    if edits == Edits() and not (mixed and plain.classes):
        return plain
    shift = np.zeros((), dtype=np.float32)
    if edits.steps:
        directions = read_directions(plain.graph.path.with_name(FILE), plain.metadata)
        shift = directions.shift(edits.steps)
    latent = read_latent(edits.latent, plain.metadata) if edits.latent is not None else None
    edited = EditedGenerator(plain, shift, Sources(latent))
    return edited.with_styles(edits.styles) if edits.styles else edited


class EditedGenerator(Generator):
    """A generator that moves its latents.

    Args:
        plain: The generator.
        shift: What is added to z [latent], or to the style [width] of every layer.
        sources: Where latents come from.
    """

    def __init__(self, plain: Generator, shift: Float32Array, sources: Sources | None = None) -> None:
        super().__init__(plain.graph)
        self.space, self.shift, self.sources = open_space(plain), shift, sources or Sources()
        if shift.ndim:
            self.space.check_shift(shift)

    @property
    def styles(self) -> StyleSpace:
        """The space of styles. Raises InputError if the generator has none."""
        if not isinstance(self.space, StyleSpace):
            raise InputError(
                f"this model ({self.metadata.variant}) has no styles by layer: only a generator with a mapping network "
                "(stylegan2) mixes styles and labels."
            )
        return self.space

    def with_styles(self, text: str) -> "EditedGenerator":
        """Return the same generator with groups of layers from other seeds or files: "coarse:7,fine:photo.npz"."""
        groups = dict(zip(GROUPS, np.array_split(np.arange(self.styles.layers), len(GROUPS)), strict=True))
        found: list[tuple[Int64Array, int | SavedLatent]] = []
        for part in text.split(","):
            name, colon, source = part.strip().partition(":")
            if name not in groups or not colon or not source:
                raise InputError(
                    f"--styles {text}: must be GROUP:SEED or GROUP:FILE, such as coarse:7,fine:9. Groups: "
                    f"{', '.join(GROUPS)}."
                )
            if re.fullmatch(r"\d{1,20}", source) and int(source) <= LARGEST_SEED:
                found.append((groups[name], int(source)))
            else:
                found.append((groups[name], read_latent(Path(source), self.metadata)))
        return EditedGenerator(self, self.shift, Sources(self.sources.latent, found))

    def conditions(self, **values: Any) -> Arrays:
        """Return the rows of every condition; labels may be mixtures, and a saved latent brings its label."""
        labels, latent = values.get("label") or (), self.sources.latent
        if latent is not None and latent.space == "w" and any(one not in (None, [], ()) for one in values.values()):
            raise InputError("--latent: styles contain label and psi already. Omit --label and --psi.")
        if latent is not None and latent.label >= 0 and not labels:
            values["label"] = [str(latent.label)] if latent.space == "z" else None
        if not any(is_mixture(str(one), self.classes) for one in labels):
            return super().conditions(**values)
        self.styles  # noqa: B018 - raises if labels cannot be mixed
        return super().conditions(**values | {"label": None}) | mixture_rows(labels, self.classes)

    def encode(self, z: Float32Array, conditions: Arrays) -> Float32Array:
        """Return the latents of z; of a mixture of labels the mean of their styles, weighted by the shares."""
        rows = take_in_turn(conditions, len(z))
        if SHARES not in rows:
            return self.space.encode(z, rows)
        labels, shares = rows.pop("label"), rows.pop(SHARES)
        parts = [
            shares[:, k, None, None] * self.space.encode(z, {**rows, "label": labels[:, k]})
            for k in range(labels.shape[1])
        ]
        total: Float32Array = np.sum(parts, axis=0, dtype=np.float32)
        return total

    def items_of(self, seed: int, first: int, n: int, conditions: Arrays) -> Items:
        """Return the edited items first .. first+n-1 of a seed, or n of a saved latent, [n, H, W, C]."""
        latents = self.draw(self.sources.latent or seed, first, n, conditions)
        for layers, source in self.sources.layers:
            latents[:, layers] = self.draw(source, first, n, conditions)[:, layers]
        return self.space.render(latents + self.shift, conditions)

    def draw(self, source: int | SavedLatent, first: int, n: int, rows: Arrays) -> Float32Array:
        """Return latents of the items first .. first+n-1 of a seed, or n times that of a file, which may be written."""
        if isinstance(source, SavedLatent):
            return source.values[None].repeat(n, axis=0)
        return np.array(self.encode(self.latents(source, first, n), rows))

    def generate(self, z: Float32Array, conditions: Arrays) -> Items:
        """Return the edited items of latents [n, latent], [n, H, W, C]; they use the rows of `conditions` in turn."""
        return self.space.render(self.encode(z, conditions) + self.shift, conditions)
