"""What a variant gives to the export: its graphs, with the names of their inputs and outputs."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class GraphInFront:
    """An ONNX graph that computes an input of an export, so that the exported file begins with that graph.

    Attributes:
        content: The serialized graph, `tokens` -> `features`.
        rest: What follows it in the file; takes `features` where the whole takes `tokens`.
    """

    content: bytes
    rest: "ExportSpec"


@dataclass(frozen=True)
class ExportSpec:
    """One graph to export: `module(*inputs.values()) -> outputs`; the first axis of every tensor is dynamic.

    Attributes:
        name: File name without its suffix.
        module: What to export.
        inputs: Example inputs by name, in the order of `module`'s arguments.
        outputs: Names of the outputs. The export replaces `item`, an input to transform, and `items`, generated or
            judged ones, by the medium's names.
        multiple: If above 0, height and width of image inputs are dynamic and multiples of it; 0 fixes them.
        longer: The length of vectors is dynamic, too: a longer z makes more frames.
        front: A graph that `module` runs and that cannot be traced; the file joins it with the export of the rest.
    """

    name: str
    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    multiple: int = 0
    longer: bool = False
    front: GraphInFront | None = None
