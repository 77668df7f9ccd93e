"""signature.json: the inputs and outputs of an exported graph, for people and for MLflow."""

from pathlib import Path
from typing import Any

from pipeline.items import ItemSpec
from pipeline.serving.graph_tensors import graph_tensor
from pipeline.serving.onnx.runtime_versions import minimum_runtime


def describe_graph(path: Path, item: ItemSpec) -> dict[str, Any]:
    """Return {"file", "onnxruntime", "inputs": [...], "outputs": [...]}.

    "onnxruntime" is the oldest release that opens the graph, such as ">=1.17".
    A tensor has a name, a dtype (numpy's name), a shape (-1 for the batch), a range and a meaning.
    """
    import onnx

    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    return {
        "file": path.name,
        "onnxruntime": f">={minimum_runtime(model)}",
        "inputs": [describe_tensor(value, item) for value in graph.input],
        "outputs": [describe_tensor(value, item) for value in graph.output],
    }


def describe_tensor(value: Any, item: ItemSpec) -> dict[str, Any]:
    """Describe one ONNX tensor, with range (None: unbounded) and meaning from the table."""
    import onnx

    kind = value.type.tensor_type
    entry = graph_tensor(value.name, item)
    limits = entry.limits(item) if entry is not None else None
    return {
        "name": value.name,
        "dtype": onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name,
        "shape": [-1 if dim.dim_param else dim.dim_value for dim in kind.shape.dim],
        "range": None if limits is None else list(limits),
        "meaning": entry.explain(item) if entry is not None else "see model_card.md",
    }
