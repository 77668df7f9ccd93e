"""The tensors of the Open Inference Protocol (v2, REST), as JSON and by its binary tensor data extension.

https://github.com/kserve/open-inference-protocol, https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from pipeline.serving.graph_tensors import TENSORS, Arrays
from pipeline.serving.http.http_error import Refusal
from pipeline.serving.http.loaded_model import DTYPES, Served, Tensor

HEADER_LENGTH = "Inference-Header-Content-Length"
LONGEST_SIDE = 2**20
MOST_IN_JSON = 4_000_000
"""Numbers of the pictures that an image-to-image model gives back as JSON: writing more would hold up the others."""


@dataclass(frozen=True)
class Inference:
    """A checked request: inputs by name, and for each wanted output whether it goes back as bytes."""

    id: str | None
    inputs: Arrays
    outputs: Mapping[str, bool]


def metadata(served: Served) -> dict[str, Any]:
    def tensors(described: list[Tensor]) -> list[dict[str, Any]]:
        return [{"name": one.name, "datatype": one.datatype, "shape": [-1, *one.shape]} for one in described]

    return {
        "name": served.name,
        "versions": [served.version],
        "platform": "onnxruntime_onnx",
        "inputs": tensors(served.inputs),
        "outputs": tensors(served.outputs),
    }


def parse(body: bytes, header_length: str | None, served: Served, max_images: int) -> Inference:
    """Raises Refusal (400) that names what is wrong with which tensor."""
    header, binary = split(body, header_length)
    try:
        request = orjson.loads(header)
    except orjson.JSONDecodeError as error:
        raise bad(f"the body is not JSON ({error})") from None
    if not isinstance(request, dict):
        raise bad("the body must be a JSON object with `inputs`")
    name = request.get("id")
    if name is not None and not (isinstance(name, str) and len(name) <= 256):
        raise bad("`id` must be a string of at most 256 characters")
    inputs = read_inputs(request.get("inputs"), binary, served, max_images)
    check(inputs, served)
    return Inference(name, inputs, wanted(request, served))


def split(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    """The JSON and the bytes after it."""
    if header_length is None:
        return body, b""
    if not (
        header_length.isascii()
        and header_length.isdigit()
        and len(header_length) < 20
        and int(header_length) <= len(body)
    ):
        raise bad(
            f"the header {HEADER_LENGTH} must be the length of the JSON at the body's beginning, at most {len(body)}"
        )
    return body[: int(header_length)], body[int(header_length) :]


def read_inputs(given: Any, binary: bytes, served: Served, max_images: int) -> Arrays:
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise bad("`inputs` must be a list of tensors, each an object with name, datatype, shape and data")
    tensors = {tensor.name: tensor for tensor in served.inputs}
    named = [one.get("name") for one in given]
    if len(given) != len(tensors) or not all(
        isinstance(name, str) and name in tensors and named.count(name) == 1 for name in named
    ):
        raise bad(f"`inputs` must hold each of {', '.join(tensors)} once")
    inputs: Arrays = {}
    at = 0
    for one in given:
        tensor = tensors[one["name"]]
        shape = read_shape(one, tensor, max_images)
        size = parameters(one, f"input {tensor.name!r}").get("binary_data_size")
        if size is None:
            inputs[tensor.name] = from_json(one.get("data"), tensor, shape)
            continue
        if "data" in one:
            raise bad(f"input {tensor.name!r} has both data and binary_data_size")
        rows = from_bytes(memoryview(binary)[at:], size, tensor, shape)
        inputs[tensor.name] = rows
        at += rows.nbytes
    if at != len(binary):
        raise bad(f"{len(binary) - at} bytes lie behind the JSON that no tensor's binary_data_size claims")
    if len({len(rows) for rows in inputs.values()}) != 1:
        raise bad("the inputs must have the same number of rows (the first number of their shapes)")
    return {tensor.name: inputs[tensor.name] for tensor in served.inputs}


def read_shape(one: Mapping[str, Any], tensor: Tensor, max_images: int) -> tuple[int, ...]:
    if one.get("datatype") != tensor.datatype:
        raise bad(f"input {tensor.name!r} has datatype {tensor.datatype}, not {str(one.get('datatype'))[:50]!r}")
    shape = one.get("shape")
    expected = [-1, *tensor.shape]
    if not (
        isinstance(shape, list)
        and all(type(size) is int for size in shape)
        and len(shape) == len(expected)
        and fits(shape[1:], expected[1:])
    ):
        raise bad(f"input {tensor.name!r} has shape {expected} (-1: 1 .. {max_images}), not {str(shape)[:100]}")
    if not 1 <= shape[0] <= max_images:
        raise bad(f"input {tensor.name!r} has {shape[0]} rows; a request may have 1 .. {max_images}, so send several")
    return tuple(shape)


def fits(shape: list[int], expected: list[int]) -> bool:
    """A side of any size is 1 .. `LONGEST_SIDE`."""
    return all(
        size == wanted or (wanted == -1 and 1 <= size <= LONGEST_SIDE)
        for size, wanted in zip(shape, expected, strict=True)
    )


def from_json(data: Any, tensor: Tensor, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Numbers in a flat list, or nested as the shape is."""
    try:
        values = np.asarray(data if isinstance(data, list) else None)
    except (ValueError, OverflowError):  # ragged, or nested beyond what numpy holds
        values = np.asarray(None)
    kinds = "iu" if tensor.datatype == "INT64" else "iuf"
    if (
        values.dtype.kind not in kinds
        or values.shape not in (shape, (int(np.prod(shape)),))
        or (values.dtype.kind == "u" and tensor.datatype == "INT64")
    ):
        what = "integers" if tensor.datatype == "INT64" else "numbers"
        raise bad(
            f"input {tensor.name!r}: data must be {int(np.prod(shape))} {what} in a list, flat or nested as the shape {list(shape)} is"
        )
    with np.errstate(over="ignore"):
        return values.astype(DTYPES[tensor.datatype]).reshape(shape)


def from_bytes(content: memoryview, size: Any, tensor: Tensor, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    dtype = np.dtype(DTYPES[tensor.datatype]).newbyteorder("<")
    needed = int(np.prod(shape)) * dtype.itemsize
    if type(size) is not int or size != needed or len(content) < needed:
        raise bad(f"input {tensor.name!r}: binary_data_size must be {needed}, with as many bytes behind the JSON")
    return np.frombuffer(content, dtype, count=needed // dtype.itemsize).reshape(shape)


def check(inputs: Arrays, served: Served) -> None:
    """Raise Refusal for values that the graph does not take."""
    for name, rows in inputs.items():
        problem = TENSORS[name].violation(rows, served.graph.metadata.item)
        if problem is not None:
            raise bad(f"input {name!r} {problem}")


def wanted(request: Mapping[str, Any], served: Served) -> dict[str, bool]:
    """Which outputs, by default all, and which of them as bytes."""
    default = flag(parameters(request, "the request"), "binary_data_output", False)
    names = [tensor.name for tensor in served.outputs]
    given = request.get("outputs")
    if given is None or given == []:
        return dict.fromkeys(names, default)
    if not isinstance(given, list) or not all(isinstance(one, dict) and one.get("name") in names for one in given):
        raise bad(f"`outputs` must be a list of objects whose names are among {', '.join(names)}")
    chosen = {one["name"]: flag(parameters(one, f"output {one['name']!r}"), "binary_data", default) for one in given}
    if len(chosen) != len(given):
        raise bad("`outputs` names one twice")
    return chosen


def parameters(one: Mapping[str, Any], what: str) -> dict[str, Any]:
    given = one.get("parameters")
    if given is not None and not isinstance(given, dict):
        raise bad(f"parameters of {what} must be an object")
    if given and "classification" in given:
        raise bad(f"{what}: the classification extension is for classifiers; leave it out")
    return given or {}


def flag(given: Mapping[str, Any], name: str, default: bool) -> bool:
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise bad(f"{name} must be true or false")
    return value


def respond(inference: Inference, drawn: Arrays, served: Served) -> tuple[bytes, dict[str, str]]:
    """The body and its headers."""
    outputs, behind = [], []
    for name, binary in inference.outputs.items():
        rows = np.ascontiguousarray(drawn[name])
        described = next(tensor for tensor in served.outputs if tensor.name == name)
        output: dict[str, Any] = {"name": name, "datatype": described.datatype, "shape": rows.shape}
        if binary:
            content = rows.astype(rows.dtype.newbyteorder("<"), copy=False).tobytes()
            output["parameters"] = {"binary_data_size": len(content)}
            behind.append(content)
        else:
            output["data"] = rows.reshape(-1)
        outputs.append(output)
    answer: dict[str, Any] = {"model_name": served.name, "model_version": served.version, "outputs": outputs}
    if inference.id is not None:
        answer["id"] = inference.id
    header = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    if not behind:
        return header, {"Content-Type": "application/json"}
    return b"".join([header, *behind]), {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(header))}


def bad(message: str) -> Refusal:
    return Refusal(400, message)
