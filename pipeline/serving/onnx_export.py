"""From an ExportSpec to one self-contained ONNX file that names nothing of the machine it was made on."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.gans.base import ExportSpec

if TYPE_CHECKING:
    import onnx

BATCH = "batch"
"""Name of the dynamic first axis of every input and output."""


def export(spec: ExportSpec, path: Path, metadata: Mapping[str, str], opset: int) -> None:
    """Writes `spec.module` as ONNX: weights inside, first axes dynamic, checked by onnx.checker.

    Two exports of the same weights, metadata and library versions are byte-identical.
    """
    import onnx
    import torch

    module = spec.module.eval()
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            module,
            tuple(spec.inputs.values()),
            dynamo=True,
            dynamic_shapes=tuple({0: BATCH} for _ in spec.inputs),
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
    name_batch(model, symbols(model))
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


def symbols(model: "onnx.ModelProto") -> set[str]:
    """The names, different from run to run, that the exporter gave to the inputs' first axes."""
    return {tensor.type.tensor_type.shape.dim[0].dim_param for tensor in model.graph.input} - {""}


def name_batch(model: "onnx.ModelProto", names: set[str]) -> None:
    """Calls the dynamic axis "batch" wherever it appears."""
    for graph in graphs(model.graph):
        for tensor in (*graph.input, *graph.output, *graph.value_info):
            for dim in tensor.type.tensor_type.shape.dim:
                if dim.dim_param in names:
                    dim.dim_param = BATCH


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
