"""Export an ExportSpec to one self-contained ONNX file without local paths."""

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pipeline.gans.base import ExportSpec
from pipeline.items import ItemSpec
from pipeline.serving.graph_tensors import medium_names
from pipeline.serving.onnx.graph_digest import seal
from pipeline.serving.onnx.runtime_versions import lower_ir_version
from pipeline.serving.onnx.text_encoder import prepend

if TYPE_CHECKING:
    import onnx
    import torch

BATCH = "batch"
"""Name of the dynamic first axis of all inputs and outputs."""

SPATIAL = {2: "height", 3: "width"}
"""Names of the other dynamic axes of a graph that takes images of any size."""

LENGTH = {1: "length"}
"""Name of the other dynamic axis of a graph that takes vectors of any length."""


def name_tensors(spec: ExportSpec, item: ItemSpec) -> ExportSpec:
    """Return the spec with the names that the medium of an item has for `item` and `items`."""
    names = medium_names(item)
    inputs = {names.get(name, name): example for name, example in spec.inputs.items()}
    front = spec.front and replace(spec.front, rest=name_tensors(spec.front.rest, item))
    return replace(spec, inputs=inputs, outputs=tuple(names.get(name, name) for name in spec.outputs), front=front)


def export(
    spec: ExportSpec,
    path: Path,
    metadata: Mapping[str, str],
    opset: int,
    extend: "Callable[[onnx.ModelProto], None] | None" = None,
) -> None:
    """Write `spec.module` as ONNX with its weights, and check it with onnx.checker.

    The first axis is dynamic, and so are height and width of images of any size. Two exports of the same weights,
    metadata and library versions are byte-identical. `extend` adds outputs.
    """
    import onnx

    if spec.front:
        model = prepend(spec.front.content, trace(spec.front.rest, opset), opset)
        strip_debug_info(model)
    else:
        model = trace(spec, opset)
    if extend is not None:
        extend(model)
    onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
    lower_ir_version(model)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(seal(model))


def trace(spec: ExportSpec, opset: int) -> "onnx.ModelProto":
    """Return `spec.module` as ONNX with its weights, without debug information."""
    import torch

    module = spec.module.eval()
    with suppress_output(), exact_constants(), torch.no_grad():
        program = torch.onnx.export(
            module,
            tuple(traced_input(spec, like) for like in spec.inputs.values()),
            dynamo=True,
            dynamic_shapes=tuple(
                {axis: dimension(name, spec.multiple) for axis, name in dynamic_axes(spec, like).items()}
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
    model: onnx.ModelProto = program.model_proto
    strip_debug_info(model)
    rename_axes(model, exported_names(model, spec))
    return model


def strip_debug_info(model: "onnx.ModelProto") -> None:
    """Remove the exporter's debug information: stack traces with local paths, source lines, module names."""
    model.doc_string = ""
    del model.metadata_props[:]
    for graph in subgraphs(model.graph):
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


def subgraphs(graph: "onnx.GraphProto") -> Iterator["onnx.GraphProto"]:
    """Yield a graph and the graphs inside its If, Loop and Scan nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from subgraphs(inner)


def dynamic_axes(spec: ExportSpec, like: "torch.Tensor") -> dict[int, str]:
    """Return the names of an input's dynamic axes."""
    spatial = SPATIAL if spec.multiple and like.ndim == 4 else {}
    return {0: BATCH, **spatial, **(LENGTH if spec.longer and like.ndim == 2 else {})}


def traced_input(spec: ExportSpec, like: "torch.Tensor") -> "torch.Tensor":
    """Return the input to trace with. Images of any size are enlarged: an axis of length 1 would become a constant."""
    if not spec.multiple or like.ndim != 4:
        return like
    return like.new_zeros(*like.shape[:2], like.shape[2] + spec.multiple, like.shape[3] + 2 * spec.multiple)


def dimension(name: str, multiple: int) -> Any:
    """Return torch.export's description of a dynamic axis."""
    import torch

    return multiple * torch.export.Dim(f"{name}_part", min=1) if multiple > 1 and name != BATCH else name


def exported_names(model: "onnx.ModelProto", spec: ExportSpec) -> dict[str, str]:
    """Map the names that the exporter gave to the inputs' dynamic axes, which vary between runs, to our names."""
    names = {}
    for tensor, like in zip(model.graph.input, spec.inputs.values(), strict=True):
        for axis, name in dynamic_axes(spec, like).items():
            names[tensor.type.tensor_type.shape.dim[axis].dim_param] = name
    return names


def rename_axes(model: "onnx.ModelProto", names: Mapping[str, str]) -> None:
    """Rename the dynamic axes everywhere, alone or within an expression."""
    renamed = {symbol: name for symbol, name in names.items() if symbol}
    pattern = re.compile(
        "|".join(rf"(?<!\w){re.escape(symbol)}(?!\w)" for symbol in sorted(renamed, key=len, reverse=True))
    )
    for graph in subgraphs(model.graph):
        for tensor in (*graph.input, *graph.output, *graph.value_info):
            for dim in tensor.type.tensor_type.shape.dim:
                if dim.dim_param:
                    dim.dim_param = pattern.sub(lambda match: renamed[match[0]], dim.dim_param)


@contextlib.contextmanager
def exact_constants() -> Iterator[None]:
    """Let the exporter's optimizer simplify `x + c` and `x * c` only if c is exactly 0 or 1.

    By default it takes every c up to 1e-8 for 0 and so removes epsilons that keep roots and divisions finite.
    """
    from onnxscript.rewriter import _matcher

    matcher: Any = _matcher  # it uses math for isclose only, with tolerances that cannot be set from outside
    original = matcher.math
    matcher.math = SimpleNamespace(isclose=lambda value, expected, **_: value == expected)
    try:
        yield
    finally:
        matcher.math = original


@contextlib.contextmanager
def suppress_output() -> Iterator[None]:
    """Suppress what the exporter prints and logs about its internals; errors still raise."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
