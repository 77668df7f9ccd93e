"""Find directions in the latent space of the exported generator, and measure them. Not a stage of dvc.yaml."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.arrays import Float32Array, Float64Array, Int64Array
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import ArrayItems, extract, quiet
from pipeline.evaluation.extractors.classifier import Classifier
from pipeline.evaluation.latent_directions import (
    VISIBLE,
    attribute_direction,
    changes,
    principal_directions,
    scale_to_deviation,
    varies,
)
from pipeline.files import write_atomically
from pipeline.gans.latents import StyleBased
from pipeline.media.pictures import write_picture
from pipeline.media.registry import find_medium
from pipeline.serving.graph_tensors import Arrays, take_in_turn
from pipeline.serving.runtime.directions import Direction, Directions, file_name, identity
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.latent_space import LatentSpace, open_space
from pipeline.serving.runtime.sample_files import draw, turns
from pipeline.stages.finished_model import open_classifier, open_model
from pipeline.stages.paths import Paths
from pipeline.tasks.base import progress_bar

STRENGTHS = (-2.0, -1.0, 0.0, 1.0, 2.0)
CLOSED_FORM = 5
"""Directions that are found in the weights of a mapping network."""

MOST_CLASSES = 20
"""Up to so many classes have a direction each, and are listed among what a direction changes."""

BATCH = 256
SEED = 0
MEASURED_SHARE, FEWEST = 8, 64
"""An effect is measured on one in so many of the samples, but on at least so many."""


@dataclass(frozen=True)
class Attributes:
    """What is measured of items: the attributes of their medium, and the classes that a classifier sees."""

    generator: Generator
    classifier: Classifier | None

    def measure(self, space: LatentSpace, latents: Float32Array, conditions: Arrays) -> dict[str, Float64Array]:
        """Return each attribute [n] of the items of latents; `conditions` has a row for each of them."""
        parts = [self.measure_batch(space, latents[at], rows_of(conditions, at)) for at in slices(len(latents))]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def measure_batch(self, space: LatentSpace, latents: Float32Array, conditions: Arrays) -> dict[str, Float64Array]:
        """Return each attribute of one batch."""
        graph = self.generator.graph
        items = space.render(latents, conditions)
        found = dict(graph.medium.attributes(items, graph.result_item))
        if self.classifier is not None:
            seen = graph.medium.measured(items, graph.result_item, graph.metadata.item)
            features = extract(self.classifier, ArrayItems(seen), BATCH, quiet)
            chances = self.classifier.predict(features).astype(np.float64)
            found |= {file_name(f"class-{one}"): chances[:, k] for k, one in enumerate(graph.metadata.item.classes)}
        return found

    def class_names(self) -> list[str]:
        """Return the names of the attributes that are chances of classes."""
        classes = self.generator.metadata.item.classes if self.classifier is not None else ()
        return [file_name(f"class-{one}") for one in classes]


def run(root: Path, samples: int) -> None:
    """Write exported/directions.json and reports/directions.png, and print the effects.

    Args:
        root: Root of the project.
        samples: Samples that attributes are related to latents by.

    Raises:
        InputError: Inputs are missing, the exported graph is not that of models/, or it takes no z.
    """
    paths = Paths(root)
    generator, gan = open_model(paths)
    weights = gan.style_weights().detach().numpy() if isinstance(gan, StyleBased) else None
    search = Search(generator, Attributes(generator, open_classifier(root)), samples)
    found = search.directions(weights)
    if not found.directions:
        raise InputError(f"{paths.generator}: its items have no attribute that changes, so there is no direction.")
    write_atomically(paths.directions, (found.model_dump_json(indent=1) + "\n").encode())
    paths.directions_picture.parent.mkdir(parents=True, exist_ok=True)
    search.draw(found, paths.directions_picture)
    noun = find_medium(generator.metadata.item.medium).noun
    sys.stdout.write(f"{paths.directions}: {len(found.directions)} directions in {found.space}\n")
    sys.stdout.write("\n".join(describe(found, noun)) + "\n")


class Search:
    """The search for directions of one generator.

    Attributes:
        z, conditions, latents: The samples; conditions have a row for each.
        groups: Which samples share their conditions, int64 [n].
    """

    def __init__(self, generator: Generator, attributes: Attributes, samples: int) -> None:
        self.generator, self.attributes, self.space = generator, attributes, open_space(generator)
        chosen = generator.conditions()
        self.conditions = take_in_turn(chosen, samples)
        self.groups: Int64Array = np.arange(samples, dtype=np.int64) % turns(chosen)
        z = generator.latents(SEED, 0, samples)
        self.latents = self.space.encode(z, self.conditions)
        self.measured = max(FEWEST, samples // MEASURED_SHARE)

    @property
    def vectors(self) -> Float32Array:
        """Latents as vectors [n, d]: a style is the same in all layers."""
        return self.latents.reshape(len(self.latents), -1, self.latents.shape[-1])[:, 0]

    def candidates(
        self, weights: Float32Array | None, values: dict[str, Float64Array]
    ) -> Iterator[tuple[str, str, Float64Array]]:
        """Yield name, origin and unit vector of every direction."""
        if weights is not None:
            for number, vector in enumerate(principal_directions(weights, CLOSED_FORM), start=1):
                yield f"sefa-{number}", "closed form", vector
        classes = self.attributes.class_names()
        # The label decides the class of a conditional model, so there z does not.
        left_out = set(classes) if "label" in self.generator.inputs else set()
        for name, column in values.items():
            vector = attribute_direction(self.vectors, column, self.groups)
            if name not in left_out and vector.any():
                yield name, name, vector

    def directions(self, weights: Float32Array | None) -> Directions:
        """Find the directions and measure them."""
        values = self.attributes.measure(self.space, self.latents, self.conditions)
        classes = self.attributes.class_names()
        unlisted = set(classes) if len(classes) > MOST_CLASSES else set()
        deviations = {
            name: float(column.std())
            for name, column in values.items()
            if varies(column, column) and name not in unlisted
        }
        candidates = list(self.candidates(weights, {name: values[name] for name in deviations}))
        found = []
        for k in progress_bar(range(len(candidates)), "directions"):
            name, origin, unit = candidates[k]
            step = scale_to_deviation(unit, self.vectors, self.groups)
            found.append(self.measure(name, origin, step, deviations))
        return Directions(
            model=identity(self.generator.metadata),
            space=self.space.name,
            strengths=STRENGTHS,
            samples=self.measured,
            directions=tuple(sorted(found, key=strongest_first)),
        )

    def measure(self, name: str, origin: str, step: Float64Array, deviations: dict[str, float]) -> Direction:
        """Measure the effect of a step."""
        start, conditions = self.latents[: self.measured], rows_of(self.conditions, slice(0, self.measured))
        curves = [
            self.attributes.measure(self.space, start + np.float32(strength) * step.astype(np.float32), conditions)
            for strength in STRENGTHS
        ]
        means = {one: np.array([curve[one].mean() for curve in curves]) for one in deviations}
        ordered = changes(means, np.array(STRENGTHS), deviations)
        return Direction(
            name=name,
            origin=origin,
            vector=tuple(float(f"{value:.6g}") for value in step),
            means={one: tuple(float(f"{value:.6g}") for value in column) for one, column in means.items()},
            main=ordered[0].name,
            per_step={change.name: round(change.per_step, 4) for change in ordered},
            monotonic=ordered[0].monotonic,
            class_kept=self.class_kept(curves),
        )

    def class_kept(self, curves: list[dict[str, Float64Array]]) -> float | None:
        """Return the share of items at the outer strengths whose most likely class is that without an edit."""
        names = self.attributes.class_names()
        if not names:
            return None
        seen = [np.stack([curve[name] for name in names]).argmax(axis=0) for curve in curves]
        before = seen[STRENGTHS.index(0.0)]
        return round(float(np.mean([seen[0] == before, seen[-1] == before])), 4)

    def draw(self, found: Directions, path: Path) -> None:
        """Draw a row for each direction and a column for each strength, of one sample."""
        strengths = np.array(found.strengths, dtype=np.float32)[:, None]
        rows = []
        for direction in found.directions:
            steps = strengths * np.array(direction.vector, dtype=np.float32)
            start = self.latents[:1].repeat(len(strengths), axis=0)
            moved = start + (steps if start.ndim == 2 else steps[:, None])
            conditions = rows_of(self.conditions, np.zeros(len(strengths), dtype=np.int64))
            rows.append(self.space.render(moved, conditions))
        write_picture(draw(self.generator.graph, np.concatenate(rows), len(strengths)), path, path.suffix)


def strongest_first(direction: Direction) -> tuple[bool, float]:
    """Return the key by which directions are ordered: those with a monotonic effect first, then by its size."""
    return not direction.monotonic, -abs(direction.per_step[direction.main])


def rows_of(conditions: Arrays, at: slice | Int64Array) -> Arrays:
    """Return some rows of each condition."""
    return {name: rows[at] for name, rows in conditions.items()}


def slices(n: int) -> Iterable[slice]:
    """Return batches of 0 .. n-1."""
    return (slice(start, start + BATCH) for start in range(0, n, BATCH))


def describe(found: Directions, noun: str) -> list[str]:
    """Return one line for each direction: what a step changes most, and what else."""
    width = max(len(name) for name in found.names)
    lines = [f"one step, {found.samples} {noun}s, in standard deviations between {noun}s:"]
    for direction in found.directions:
        main, *others = direction.per_step.items()
        shown = [f"{name} {value:+.2f}" for name, value in others if abs(value) >= VISIBLE][:4]
        parts = [f"{main[0]} {main[1]:+.2f}" + ("" if direction.monotonic else " (not monotonic)")]
        parts += [f"also {', '.join(shown)}"] if shown else []
        kept = direction.class_kept
        parts += [f"2 steps keep {kept:.0%} of the classes"] if kept is not None else []
        lines.append(f"  {direction.name:<{width}}  {'; '.join(parts)}")
    return lines
