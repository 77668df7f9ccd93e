"""directions.json: named directions in the latent space of a generator, with their measured effect."""

import difflib
import math
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from pipeline.arrays import Float32Array
from pipeline.errors import InputError
from pipeline.serving.onnx.metadata import Metadata
from pipeline.settings import Settings

FILE = "directions.json"
LARGEST_STRENGTH = 10.0
"""Steps that an edit may take. Items far outside of what the generator saw mean nothing."""


class Direction(Settings):
    """One direction.

    Attributes:
        name: As in `--edit NAME=+1.5`.
        origin: "closed form", or the attribute that it was found by.
        vector: What one step adds to z, or to the style of every layer: one standard deviation along it.
        means: Mean of every attribute at each of the strengths.
        main: The attribute that it changes most, in standard deviations.
        per_step: Change of each attribute per step, in standard deviations between unedited items.
        monotonic: The main attribute rises, or falls, with every step.
        class_kept: Share of items whose class the classifier still sees at the outer strengths; None without classes.
    """

    name: str
    origin: str
    vector: tuple[float, ...]
    means: dict[str, tuple[float, ...]]
    main: str
    per_step: dict[str, float]
    monotonic: bool
    class_kept: float | None


class Directions(Settings):
    """All directions of a model.

    Attributes:
        model: Identity of the model that they were found for; see `identity`.
        space: What they move: "z", or "w" for styles.
        strengths: At which `means` were measured.
        samples: Number of items behind each mean.
        directions: Those that change an attribute monotonically first, and by how much they do.
    """

    model: str
    space: Literal["z", "w"]
    strengths: tuple[float, ...]
    samples: int
    directions: tuple[Direction, ...]

    @cached_property
    def names(self) -> list[str]:
        """Names of the directions."""
        return [direction.name for direction in self.directions]

    def shift(self, edits: Sequence[str]) -> Float32Array:
        """Return what edits such as "slant=+1.5" add to a latent; an entry may hold several with commas between them.

        Raises InputError for an edit that cannot be read, an unknown or repeated name, and a strength beyond 10 steps.
        """
        steps = dict.fromkeys(self.names, 0.0)
        given = [part.strip() for entry in edits for part in entry.split(",") if part.strip()]
        chosen = [self.parse(part) for part in given]
        for name, strength in chosen:
            steps[name] += strength
        repeated = [name for name in steps if sum(name == other for other, _ in chosen) > 1]
        if repeated:
            raise InputError(f"--edit {repeated[0]}: is given twice. Give the sum once.")
        vectors = np.array([direction.vector for direction in self.directions], dtype=np.float64)
        return (np.array(list(steps.values())) @ vectors).astype(np.float32)

    def parse(self, edit: str) -> tuple[str, float]:
        """Return name and strength of "slant=+1.5". Raises InputError."""
        name, equals, text = edit.partition("=")
        name = name.strip()
        try:
            strength = float(text)
        except ValueError:
            strength = math.nan
        if not equals or not math.isfinite(strength):
            raise InputError(f"--edit {edit!r}: must be NAME=STRENGTH, such as {self.names[0]}=+1.5.")
        if name not in self.names:
            close = difflib.get_close_matches(name, self.names, n=1)
            hint = f"Did you mean {close[0]!r}? " if close else ""
            raise InputError(f"--edit {edit}: there is no direction {name!r}. {hint}Known: {', '.join(self.names)}.")
        if abs(strength) > LARGEST_STRENGTH:
            raise InputError(f"--edit {edit}: the strength must lie in -{LARGEST_STRENGTH:g} .. {LARGEST_STRENGTH:g}.")
        return name, strength


def file_name(text: str) -> str:
    """Return a text as a name for the command line and URLs: letters, digits, dots, hyphens and underscores."""
    return re.sub(r"[^\w.-]+", "-", text)


def identity(metadata: Metadata) -> str:
    """Return what tells a model from every other: its run, and how far it was trained.

    Converted copies (float16, int8) are the same model.
    """
    return f"{metadata.mlflow_run} after {metadata.images_seen} images"


def read_directions(path: Path, metadata: Metadata) -> Directions:
    """Read the directions of a model. Raises InputError if there are none, or those of another model."""
    try:
        found = Directions.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Run `ganline directions` to find the directions.") from None
    except (OSError, ValidationError) as error:
        raise InputError(f"{path}: cannot be read ({str(error).splitlines()[0]}). Run `ganline directions`.") from None
    if found.model != identity(metadata):
        raise InputError(f"{path}: belongs to another model. Run `ganline directions` to find those of this one.")
    return found
