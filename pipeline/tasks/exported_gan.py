"""A delivered image-to-image model as the judgements of evaluate see a variant: its graphs run in ONNX Runtime, in place of networks."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.gans.base import GAN, Direction, ExportSpec, Phase, View
from pipeline.serving.runtime.generator import Graph


class Exported(GAN):
    """What the graphs cannot say, how a variant is tried and which ways it goes, is asked of `variant`, whose own weights are never used.

    Attributes:
        files: all graphs that are used.
    """

    def __init__(self, generator: Graph, variant: GAN, whose: str, way_out: str) -> None:
        """Opens the graphs that lie beside `generator` as far as they are needed; `whose` they are and a `way_out` are told in errors.

        Raises InputError for one that is missing, or was not exported with the generator.
        """
        super().__init__()
        self.task, self.view, self.scale = variant.task, variant.view, generator.metadata.scale
        self.variant, self.generator, self.whose, self.way_out = variant, generator, whose, way_out
        names = list(variant.directions())
        self.ways = {name: self.beside("reverse") if number else generator for number, name in enumerate(names)}
        # A way back that takes a style is given that of the picture it leads to.
        painted = [
            way.source
            for way in variant.directions().values()
            if way.inverse is not None and "z" in self.ways[way.inverse].inputs
        ]
        self.styles = {side: self.beside(f"style_{side}") for side in painted}

    def beside(self, name: str) -> Graph:
        path = self.generator.path.with_name(f"{name}.onnx")
        if not path.is_file():
            raise InputError(
                f"{path.name}: {self.whose} has no such graph beside its generator, and cannot be judged without; {self.way_out}"
            )
        graph = Graph(path)
        if graph.metadata != self.generator.metadata:
            raise InputError(
                f"{path.name}: {self.whose} has a graph of this name that was not exported together with its generator; {self.way_out}"
            )
        return graph

    @property
    def files(self) -> list[Path]:
        return list(dict.fromkeys(graph.path for graph in (self.generator, *self.ways.values(), *self.styles.values())))

    def phases(self) -> list[Phase]:
        return []

    def export(self) -> list[ExportSpec]:
        return []

    def evaluation_views(self) -> Mapping[str, View]:
        return self.variant.evaluation_views()

    def distances(self, made: Tensor, wanted: Tensor) -> Mapping[str, float]:
        return self.variant.distances(made, wanted)

    def directions(self) -> Mapping[str, Direction]:
        return self.variant.directions()

    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        return drawn(self.generator, conditions["image"], rng)

    def translate(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        return drawn(self.ways[direction], images, rng)

    def reconstruct(self, made: Tensor, originals: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        way = self.directions()[direction]
        assert way.inverse is not None
        back = self.ways[way.inverse]
        if "z" not in back.inputs:
            return drawn(back, made, rng)
        return computed(back, "images", image=made, z=computed(self.styles[way.source], "z", image=originals))

    def map_identity(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor | None:
        """None where graphs take styles: none of them paints a side's content on the same side."""
        graph = self.ways[direction]
        return None if "z" in graph.inputs else drawn(graph, images, rng)


def drawn(graph: Graph, images: Tensor, rng: torch.Generator) -> Tensor:
    """What a graph makes of images, in styles from `rng` where it takes any."""
    styles = {"z": torch.randn(len(images), graph.metadata.latent, generator=rng)} if "z" in graph.inputs else {}
    return computed(graph, "images", image=images, **styles)


def computed(graph: Graph, output: str, **inputs: Tensor) -> Tensor:
    """One output of a graph, on the device of the images."""
    (found,) = graph.session.run([output], {name: value.cpu().numpy() for name, value in inputs.items()})
    return torch.from_numpy(found).to(inputs["image"].device)
