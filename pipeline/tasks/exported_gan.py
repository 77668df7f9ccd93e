"""An exported image-to-image model in the place of a trained variant: ONNX Runtime runs its graphs."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.gans.base import GAN, Direction, ExportSpec, Phase, View
from pipeline.items import DOMAINS
from pipeline.serving.graph_tensors import medium_names
from pipeline.serving.runtime.generator import Graph
from pipeline.tasks.base import EvaluationCase, EvaluationResult
from pipeline.tasks.exported_model import ExportedEvaluation, ExportedModel, load_or_evaluate


class ExportedGAN(GAN):
    """Exported graphs behind the interface of a variant.

    `variant` answers what graphs cannot say: its trials, directions and distances. Its own weights are not used.
    """

    def __init__(self, model: ExportedModel, variant: GAN) -> None:
        """Open the graphs next to the generator that the task needs.

        Raises:
            InputError: A graph is missing, or was not exported together with the generator.
        """
        super().__init__()
        self.model, self.variant, self.generator = model, variant, model.graph
        self.task, self.view, self.scale = variant.task, variant.view, model.graph.metadata.scale
        self.past, self.between = variant.past, variant.between
        directions = variant.directions()
        # One generator with a label serves all directions; else there is a graph for each of two.
        self.example = self.open("example") if "label" in self.generator.inputs else None
        self.graphs = {
            name: self.open("reverse") if number and self.example is None else self.generator
            for number, name in enumerate(directions)
        }
        # A direction back that takes a style is given the style of the image it leads to.
        styled = [
            direction.source
            for direction in directions.values()
            if self.example is None and direction.inverse is not None and "z" in self.graphs[direction.inverse].inputs
        ]
        self.styles = {domain: self.open(f"style_{domain}") for domain in styled}

    def open(self, name: str) -> Graph:
        """Open another graph of the same model. Raises InputError if there is none."""
        path, label, remedy = self.generator.path.with_name(f"{name}.onnx"), self.model.label, self.model.remedy
        if not path.is_file():
            raise InputError(
                f"{path.name}: {label} has no such graph next to its generator, and cannot be evaluated without it; "
                f"{remedy}"
            )
        graph = Graph(path)
        if graph.metadata != self.generator.metadata:
            raise InputError(
                f"{path.name}: this graph of {label} was not exported together with its generator; {remedy}"
            )
        return graph

    @property
    def files(self) -> list[Path]:
        """All graphs that an evaluation uses."""
        examples = () if self.example is None else (self.example,)
        graphs = (self.generator, *self.graphs.values(), *self.styles.values(), *examples)
        return list(dict.fromkeys(graph.path for graph in graphs))

    def phases(self) -> list[Phase]:
        return []

    def export(self) -> list[ExportSpec]:
        return []

    def evaluation_views(self) -> Mapping[str, View]:
        return self.variant.evaluation_views()

    def distances(self, outputs: Tensor, targets: Tensor) -> Mapping[str, float]:
        return self.variant.distances(outputs, targets)

    def directions(self) -> Mapping[str, Direction]:
        return self.variant.directions()

    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        if "frames" in conditions:
            return run_graph(self.generator, "next_frames", frames=conditions["frames"])
        return transform(self.generator, conditions["item"], rng)

    def translate(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        target = self.directions()[direction].target
        labels = {} if self.example is None else {"label": repeat_label(target, images)}
        return transform(self.graphs[direction], images, rng, **labels)

    def translate_like(self, images: Tensor, examples: Tensor, direction: str) -> Tensor | None:
        target = self.directions()[direction].target
        if self.example is not None:
            return translate_by_example(self.example, images, examples, target)
        graph = self.graphs[direction]
        if "z" not in graph.inputs:
            return None
        return run_graph(graph, "items", item=images, z=run_graph(self.styles[target], "z", item=examples))

    def reconstruct(self, translated: Tensor, originals: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        forward = self.directions()[direction]
        assert forward.inverse is not None
        if self.example is not None:
            return translate_by_example(self.example, translated, originals, forward.source)
        back = self.graphs[forward.inverse]
        if "z" not in back.inputs:
            return transform(back, translated, rng)
        return run_graph(back, "items", item=translated, z=run_graph(self.styles[forward.source], "z", item=originals))

    def map_identity(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor | None:
        """Return None for graphs that take styles and no examples: none of them keeps an image in its domain."""
        if self.example is not None:
            return translate_by_example(self.example, images, images, self.directions()[direction].target)
        graph = self.graphs[direction]
        return None if "z" in graph.inputs else transform(graph, images, rng)


def translate_by_example(graph: Graph, images: Tensor, examples: Tensor, target: str) -> Tensor:
    """Translate images to a domain in the styles of examples of it."""
    return run_graph(graph, "items", item=images, reference=examples, label=repeat_label(target, images))


def repeat_label(domain: str, images: Tensor) -> Tensor:
    """Return the label of a domain for each image, int64 [n]."""
    return torch.full((len(images),), DOMAINS.index(domain))


def transform(graph: Graph, images: Tensor, rng: torch.Generator, **labels: Tensor) -> Tensor:
    """Run a graph on images, with styles from `rng` if it takes styles."""
    styles = {"z": torch.randn(len(images), graph.metadata.latent, generator=rng)} if "z" in graph.inputs else {}
    return run_graph(graph, "items", item=images, **styles, **labels)


def run_graph(graph: Graph, output: str, **inputs: Tensor) -> Tensor:
    """Return one output of a graph on the device of the inputs; `item` and `items` stand for the medium's names."""
    names = medium_names(graph.metadata.item)
    arrays = {names.get(name, name): value.cpu().numpy() for name, value in inputs.items()}
    (values,) = graph.session.run([names.get(output, output)], arrays)
    return torch.from_numpy(values).to(next(iter(inputs.values())).device)


def evaluate_exported(
    model: ExportedModel, case: EvaluationCase, evaluate: Callable[[EvaluationCase], EvaluationResult]
) -> ExportedEvaluation:
    """Evaluate exported graphs as `evaluate` does a trained variant; `case.gan` is that variant, untrained.

    Raises:
        InputError: A graph is missing, or was not exported together with the generator.
    """
    gan = ExportedGAN(model, case.gan)

    def compute() -> ExportedEvaluation:
        result = evaluate(replace(case, gan=gan))
        return ExportedEvaluation(result.metrics, result.material)

    return load_or_evaluate(case, gan.files, case.config.model.model_dump_json(), compute, code=[compute, evaluate])
