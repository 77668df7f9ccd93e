"""The oldest ONNX Runtime that opens a graph."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

MINIMUM_RUNTIME = {18: "1.14", 19: "1.15", 20: "1.17", 21: "1.18", 22: "1.21", 23: "1.23"}
"""First minor release of ONNX Runtime that opens a graph of an opset with the lowest IR version.

Measured with the releases 1.15 to 1.23; that of opset 18 is taken from the documentation of ONNX Runtime.
"""


def lower_ir_version(model: "onnx.ModelProto") -> None:
    """Set the lowest IR version that allows the graph's opset. Older releases refuse a newer IR of the same graph."""
    import onnx

    model.ir_version = onnx.helper.find_min_ir_version_for(list(model.opset_import))


def minimum_runtime(model: "onnx.ModelProto") -> str:
    """Return the oldest release that opens the graph, such as "1.17"."""
    opset = next(entry.version for entry in model.opset_import if not entry.domain)
    return MINIMUM_RUNTIME[min(max(opset, min(MINIMUM_RUNTIME)), max(MINIMUM_RUNTIME))]
