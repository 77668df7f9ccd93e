"""signature.json: what goes into a graph and what comes out, for people and for MLflow."""

from pathlib import Path
from typing import Any


def describe(path: Path, class_names: list[str]) -> dict[str, Any]:
    """{"file", "inputs": [...], "outputs": [...]}; a tensor has name, dtype (numpy's name), shape (-1 for the batch), range and meaning."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    return {
        "file": path.name,
        "inputs": [tensor(value, class_names) for value in graph.input],
        "outputs": [tensor(value, class_names) for value in graph.output],
    }


def tensor(value: Any, class_names: list[str]) -> dict[str, Any]:
    import onnx

    kind = value.type.tensor_type
    limits, meaning = about(value.name, class_names)
    return {
        "name": value.name,
        "dtype": onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name,
        "shape": [-1 if dim.dim_param else dim.dim_value for dim in kind.shape.dim],
        "range": limits,
        "meaning": meaning,
    }


def about(name: str, class_names: list[str]) -> tuple[list[float] | None, str]:
    """Range (None: unbounded) and meaning of the tensors whose names all variants share."""
    if name == "z":
        return None, "latent vectors, independent standard normal"
    if name == "label":
        return [0, max(len(class_names) - 1, 0)], "class index, in the order of the model's class names"
    if name == "psi":
        return (
            [0.0, 1.5],
            "truncation of the style: 0 is the average picture, 1 changes nothing, between them pictures are more alike and safer",
        )
    if name == "w":
        return None, "styles by layer, truncated; layers of two pictures can be mixed"
    if name == "logits":
        return (
            None,
            "one a class, in the order of the model's class names; softmax gives probabilities, and sigmoid(logsumexp) how real an image looks",
        )
    if name == "image":
        return [-1.0, 1.0], "what is to be changed, NCHW; from 8 bits as x / 127.5 - 1"
    if name.startswith("image"):
        return [-1.0, 1.0], "images NCHW; to 8 bits as clamp(floor(127.5 x + 128), 0, 255)"
    return None, "see model_card.md"
