"""From an ExportSpec to one self-contained ONNX file that names nothing of the machine it was made on."""

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.gans.base import ExportSpec

if TYPE_CHECKING:
    import onnx
    import torch

BATCH = "batch"
"""Name of the dynamic first axis of every input and output."""

SPATIAL = {2: "height", 3: "width"}
"""Names of the axes that are dynamic besides, where a graph takes images of any size."""


def export(spec: ExportSpec, path: Path, metadata: Mapping[str, str], opset: int) -> None:
    """Writes `spec.module` as ONNX: weights inside, first axes (and the sides of images of any size) dynamic, checked by onnx.checker.

    Two exports of the same weights, metadata and library versions are byte-identical.
    """
    import onnx
    import torch

    module = spec.module.eval()
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            module,
            tuple(traced(spec, like) for like in spec.inputs.values()),
            dynamo=True,
            dynamic_shapes=tuple(
                {axis: size(name, spec.multiple) for axis, name in axes(spec, like).items()}
                for like in spec.inputs.values()
            ),
            input_names=list(spec.inputs),
            output_names=list(spec.outputs),
            opset_version=opset,
            external_data=False,
            verbose=False,
        )
    if program is None:  # the type allows it; dynamo=True always returns a program
        raise RuntimeError("torch.onnx.export returned nothing")
    model = program.model_proto
    strip(model)
    name_axes(model, symbols(model, spec))
    onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def strip(model: "onnx.ModelProto") -> None:
    """Removes what the exporter notes for debugging: stack traces with local paths, source lines, module names."""
    model.doc_string = ""
    del model.metadata_props[:]
    for graph in graphs(model.graph):
        graph.doc_string = ""
        parts: list[Any] = [graph, *graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info]
        for part in parts:
            part.doc_string = ""
            del part.metadata_props[:]
    for function in model.functions:
        function.doc_string = ""
        del function.metadata_props[:]
        for part in [*function.node, *function.value_info]:
            part.doc_string = ""
            del part.metadata_props[:]


def graphs(graph: "onnx.GraphProto") -> Iterator["onnx.GraphProto"]:
    """A graph and those inside its If, Loop and Scan nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from graphs(inner)


def axes(spec: ExportSpec, like: "torch.Tensor") -> dict[int, str]:
    """The dynamic axes of an input, by name."""
    return {0: BATCH, **(SPATIAL if spec.multiple and like.ndim == 4 else {})}


def traced(spec: ExportSpec, like: "torch.Tensor") -> "torch.Tensor":
    """The input that is traced: an image of any size is larger than the least, where an axis of one would be taken for a constant."""
    if not spec.multiple or like.ndim != 4:
        return like
    return like.new_zeros(*like.shape[:2], like.shape[2] + spec.multiple, like.shape[3] + 2 * spec.multiple)


def size(name: str, multiple: int) -> Any:
    """A dynamic axis, as torch.export wants it described."""
    import torch

    return multiple * torch.export.Dim(f"{name}_part", min=1) if multiple > 1 and name != BATCH else name


def symbols(model: "onnx.ModelProto", spec: ExportSpec) -> dict[str, str]:
    """The names, different from run to run, that the exporter gave to the inputs' dynamic axes, and what they are to be called."""
    found = {}
    for tensor, like in zip(model.graph.input, spec.inputs.values(), strict=True):
        for axis, name in axes(spec, like).items():
            found[tensor.type.tensor_type.shape.dim[axis].dim_param] = name
    return found


def name_axes(model: "onnx.ModelProto", names: Mapping[str, str]) -> None:
    """Calls the dynamic axes by their names wherever they appear, alone or in an expression."""
    known = {symbol: name for symbol, name in names.items() if symbol}
    pattern = re.compile(
        "|".join(rf"(?<!\w){re.escape(symbol)}(?!\w)" for symbol in sorted(known, key=len, reverse=True))
    )
    for graph in graphs(model.graph):
        for tensor in (*graph.input, *graph.output, *graph.value_info):
            for dim in tensor.type.tensor_type.shape.dim:
                if dim.dim_param:
                    dim.dim_param = pattern.sub(lambda match: known[match[0]], dim.dim_param)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The exporter prints and warns about its own internals; errors still raise."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
