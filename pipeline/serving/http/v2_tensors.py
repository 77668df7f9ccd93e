"""Tensors of the Open Inference Protocol (v2, REST), as JSON and with the binary tensor data extension.

https://github.com/kserve/open-inference-protocol and
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from pipeline.serving.graph_tensors import Arrays, graph_tensor
from pipeline.serving.http.loaded_model import DTYPES, LoadedModel, TensorInfo
from pipeline.serving.http.request_error import RequestError

HEADER_LENGTH = "Inference-Header-Content-Length"
LARGEST_SIDE = 2**20

LARGEST_JSON = 4_000_000
"""Numbers that an image-to-image model returns as JSON; encoding more would delay other requests."""


@dataclass(frozen=True)
class InferenceRequest:
    """A checked request.

    Attributes:
        inputs: By name.
        outputs: Requested outputs; True if returned as binary data.
    """

    id: str | None
    inputs: Arrays
    outputs: Mapping[str, bool]


def model_metadata(loaded: LoadedModel) -> dict[str, Any]:
    """Return the description of a model."""

    def describe(tensors: list[TensorInfo]) -> list[dict[str, Any]]:
        return [{"name": tensor.name, "datatype": tensor.datatype, "shape": [-1, *tensor.shape]} for tensor in tensors]

    return {
        "name": loaded.name,
        "versions": [loaded.version],
        "platform": "onnxruntime_onnx",
        "inputs": describe(loaded.inputs),
        "outputs": describe(loaded.outputs),
    }


def parse_request(body: bytes, header_length: str | None, loaded: LoadedModel, max_images: int) -> InferenceRequest:
    """Parse and check a request. Raises RequestError (400) that names the wrong tensor."""
    header, binary = split_body(body, header_length)
    try:
        request = orjson.loads(header)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the body is not JSON ({error}).") from None
    if not isinstance(request, dict):
        raise bad_request("the body must be a JSON object with `inputs`.")
    identifier = request.get("id")
    if identifier is not None and not (isinstance(identifier, str) and len(identifier) <= 256):
        raise bad_request("`id` must be a string of at most 256 characters.")
    inputs = read_inputs(request.get("inputs"), binary, loaded, max_images)
    check_values(inputs, loaded)
    return InferenceRequest(identifier, inputs, requested_outputs(request, loaded))


def split_body(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    """Return the JSON and the binary data behind it."""
    if header_length is None:
        return body, b""
    digits = header_length.isascii() and header_length.isdigit() and len(header_length) < 20
    if not digits or int(header_length) > len(body):
        raise bad_request(f"the header {HEADER_LENGTH} must be the length of the leading JSON, at most {len(body)}.")
    return body[: int(header_length)], body[int(header_length) :]


def read_inputs(entries: Any, binary: bytes, loaded: LoadedModel, max_images: int) -> Arrays:
    """Return the inputs by name, in the order of the graph."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise bad_request("`inputs` must be a list of tensors, each an object with name, datatype, shape and data.")
    tensors = {tensor.name: tensor for tensor in loaded.inputs}
    names = [entry.get("name") for entry in entries]
    if len(entries) != len(tensors) or not all(
        isinstance(name, str) and name in tensors and names.count(name) == 1 for name in names
    ):
        raise bad_request(f"`inputs` must contain each of {', '.join(tensors)} once.")
    inputs: Arrays = {}
    at = 0
    for entry in entries:
        tensor = tensors[entry["name"]]
        shape = read_shape(entry, tensor, max_images)
        size = read_parameters(entry, f"input {tensor.name!r}").get("binary_data_size")
        if size is None:
            inputs[tensor.name] = from_json(entry.get("data"), tensor, shape)
            continue
        if "data" in entry:
            raise bad_request(f"input {tensor.name!r} has both data and binary_data_size.")
        rows = from_bytes(memoryview(binary)[at:], size, tensor, shape)
        inputs[tensor.name] = rows
        at += rows.nbytes
    if at != len(binary):
        raise bad_request(f"{len(binary) - at} bytes behind the JSON belong to no tensor's binary_data_size.")
    if len({len(rows) for rows in inputs.values()}) != 1:
        raise bad_request("all inputs must have the same number of rows (the first number of their shapes).")
    return {tensor.name: inputs[tensor.name] for tensor in loaded.inputs}


def read_shape(entry: Mapping[str, Any], tensor: TensorInfo, max_images: int) -> tuple[int, ...]:
    """Return the checked shape of an input."""
    if entry.get("datatype") != tensor.datatype:
        received = str(entry.get("datatype"))[:50]
        raise bad_request(f"input {tensor.name!r} has datatype {tensor.datatype}, not {received!r}.")
    shape = entry.get("shape")
    expected = [-1, *tensor.shape]
    if not (
        isinstance(shape, list)
        and all(type(size) is int for size in shape)
        and len(shape) == len(expected)
        and matches(shape[1:], expected[1:])
    ):
        raise bad_request(
            f"input {tensor.name!r} has shape {expected} (-1: 1 .. {max_images}), not {str(shape)[:100]}."
        )
    if not 1 <= shape[0] <= max_images:
        raise bad_request(
            f"input {tensor.name!r} has {shape[0]} rows, but a request may have 1 .. {max_images}. "
            "Send several requests."
        )
    return tuple(shape)


def matches(shape: list[int], expected: list[int]) -> bool:
    """Return whether a shape fits; -1 stands for 1 .. `LARGEST_SIDE`."""
    return all(
        size == side or (side == -1 and 1 <= size <= LARGEST_SIDE) for size, side in zip(shape, expected, strict=True)
    )


def from_json(data: Any, tensor: TensorInfo, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return the numbers of a list, flat or nested as the shape is."""
    try:
        values = np.asarray(data if isinstance(data, list) else None)
    except (ValueError, OverflowError):  # ragged, or nested deeper than numpy supports
        values = np.asarray(None)
    kinds = "iu" if tensor.datatype == "INT64" else "iuf"
    count = int(np.prod(shape))
    if (
        values.dtype.kind not in kinds
        or values.shape not in (shape, (count,))
        or (values.dtype.kind == "u" and tensor.datatype == "INT64")
    ):
        kind = "integers" if tensor.datatype == "INT64" else "numbers"
        raise bad_request(
            f"input {tensor.name!r}: data must be a list of {count} {kind}, flat or nested like the shape "
            f"{list(shape)}."
        )
    with np.errstate(over="ignore"):
        return values.astype(DTYPES[tensor.datatype]).reshape(shape)


def from_bytes(content: memoryview, size: Any, tensor: TensorInfo, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return the numbers of binary data."""
    dtype = np.dtype(DTYPES[tensor.datatype]).newbyteorder("<")
    needed = int(np.prod(shape)) * dtype.itemsize
    if type(size) is not int or size != needed or len(content) < needed:
        raise bad_request(
            f"input {tensor.name!r}: binary_data_size must be {needed}, with that many bytes behind the JSON."
        )
    return np.frombuffer(content, dtype, count=needed // dtype.itemsize).reshape(shape)


def check_values(inputs: Arrays, loaded: LoadedModel) -> None:
    """Raise RequestError for values that the graph does not accept."""
    for name, rows in inputs.items():
        item = loaded.graph.metadata.item
        tensor = graph_tensor(name, item)
        problem = tensor.violation(rows, item) if tensor is not None else None
        if problem is not None:
            raise bad_request(f"input {name!r} {problem}.")


def requested_outputs(request: Mapping[str, Any], loaded: LoadedModel) -> dict[str, bool]:
    """Return the requested outputs, by default all, and whether each is returned as binary data."""
    default = read_flag(read_parameters(request, "the request"), "binary_data_output", default=False)
    names = [tensor.name for tensor in loaded.outputs]
    entries = request.get("outputs")
    if entries is None or entries == []:
        return dict.fromkeys(names, default)
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and entry.get("name") in names for entry in entries
    ):
        raise bad_request(f"`outputs` must be a list of objects whose names are among {', '.join(names)}.")
    outputs = {
        entry["name"]: read_flag(read_parameters(entry, f"output {entry['name']!r}"), "binary_data", default=default)
        for entry in entries
    }
    if len(outputs) != len(entries):
        raise bad_request("`outputs` contains a name twice.")
    return outputs


def read_parameters(entry: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return the parameters of a request or a tensor."""
    parameters = entry.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise bad_request(f"parameters of {what} must be an object.")
    if parameters and "shared_memory_region" in parameters:
        raise no_shared_memory()
    if parameters and "classification" in parameters:
        raise bad_request(f"{what}: the classification extension is for classifiers. Omit it.")
    return parameters or {}


def read_flag(parameters: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Return a boolean parameter."""
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise bad_request(f"{name} must be true or false.")
    return value


def encode_response(request: InferenceRequest, results: Arrays, loaded: LoadedModel) -> tuple[bytes, dict[str, str]]:
    """Return the body of the response and its headers."""
    outputs, binary = [], []
    datatypes = {tensor.name: tensor.datatype for tensor in loaded.outputs}
    for name, as_bytes in request.outputs.items():
        rows = np.ascontiguousarray(results[name])
        output: dict[str, Any] = {"name": name, "datatype": datatypes[name], "shape": rows.shape}
        if as_bytes:
            content = rows.astype(rows.dtype.newbyteorder("<"), copy=False).tobytes()
            output["parameters"] = {"binary_data_size": len(content)}
            binary.append(content)
        else:
            output["data"] = rows.reshape(-1)
        outputs.append(output)
    response: dict[str, Any] = {"model_name": loaded.name, "model_version": loaded.version, "outputs": outputs}
    if request.id is not None:
        response["id"] = request.id
    header = orjson.dumps(response, option=orjson.OPT_SERIALIZE_NUMPY)
    if not binary:
        return header, {"Content-Type": "application/json"}
    return b"".join([header, *binary]), {
        "Content-Type": "application/octet-stream",
        HEADER_LENGTH: str(len(header)),
    }


def bad_request(message: str) -> RequestError:
    """Return an error with status 400."""
    return RequestError(400, message)


def no_shared_memory() -> RequestError:
    """Return the error for requests of Triton's shared memory extensions."""
    return bad_request("shared memory is not supported. Send and receive tensors as JSON or binary data.")
