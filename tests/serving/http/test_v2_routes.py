"""The Open Inference Protocol: Triton's client, and malformed requests."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from pipeline.serving.graph_tensors import latents
from pipeline.serving.http.v2_tensors import HEADER_LENGTH
from pipeline.serving.runtime.generator import Generator


@pytest.fixture(scope="module")
def styled(styled_graph: Any, running: Any) -> Iterator[Any]:
    with running(styled_graph.path, max_images=50) as service:
        yield service


@pytest.fixture(scope="module")
def client(styled: Any) -> Iterator[Any]:
    with triton.InferenceServerClient(styled.url.removeprefix("http://")) as client:
        yield client


def inputs_of(n: int, *, binary: bool = True) -> tuple[list[Any], dict[str, Any]]:
    values: dict[str, Any] = {
        "z": latents(3, 0, n, 6),
        "label": np.arange(n, dtype=np.int64) % 30,
        "psi": np.linspace(0, 1.5, n, dtype=np.float32),
    }
    tensors = []
    for name, rows in values.items():
        tensor = triton.InferInput(name, list(rows.shape), "INT64" if rows.dtype == np.int64 else "FP32")
        tensor.set_data_from_numpy(rows, binary_data=binary)
        tensors.append(tensor)
    return tensors, values


def test_triton_reads_the_metadata(client: Any, styled: Any) -> None:
    version = styled.service.current.version
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("generator")
    assert client.is_model_ready("generator", version)
    assert not client.is_model_ready("other")
    assert not client.is_model_ready("generator", "2")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    assert client.get_model_metadata("generator") == client.get_model_metadata("generator", version)
    assert client.get_model_metadata("generator") == {
        "name": "generator",
        "versions": [version],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": "z", "datatype": "FP32", "shape": [-1, 6]},
            {"name": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "psi", "datatype": "FP32", "shape": [-1]},
        ],
        "outputs": [
            {"name": "images", "datatype": "FP32", "shape": [-1, 1, 8, 8]},
            {"name": "w", "datatype": "FP32", "shape": [-1, 4]},
        ],
    }
    with pytest.raises(InferenceServerException, match="no model 'other' here; the served model is 'generator'"):
        client.get_model_metadata("other")


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("n", [1, 7, 50])
def test_triton_gets_the_outputs_of_onnx_runtime(
    client: Any, styled_graph: Any, n: int, binary_in: bool, binary_out: bool
) -> None:
    tensors, values = inputs_of(n, binary=binary_in)
    wanted = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in ("w", "images")]
    answer = client.infer("generator", tensors, outputs=wanted, request_id="mine")
    expected = Generator(styled_graph.path).session.run(["images", "w"], values)
    for name, rows in zip(("images", "w"), expected, strict=True):
        np.testing.assert_array_equal(answer.as_numpy(name), rows)
    assert answer.get_response()["id"] == "mine"
    only = client.infer("generator", tensors, outputs=[triton.InferRequestedOutput("w")])
    assert only.as_numpy("images") is None
    np.testing.assert_array_equal(only.as_numpy("w"), expected[1])
    everything = client.infer("generator", tensors)
    np.testing.assert_array_equal(everything.as_numpy("images"), expected[0])


def test_shared_memory_is_refused_clearly(client: Any) -> None:
    tensors, _ = inputs_of(1)
    output = triton.InferRequestedOutput("images")
    output.set_shared_memory("region", 256)
    shared, _ = inputs_of(1)
    shared[0].set_shared_memory("region", 24)
    for request in (
        client.get_system_shared_memory_status,
        lambda: client.register_system_shared_memory("region", "/key", 64),
        client.get_cuda_shared_memory_status,
        client.unregister_cuda_shared_memory,
        lambda: client.infer("generator", tensors, outputs=[output]),
        lambda: client.infer("generator", shared),
    ):
        with pytest.raises(InferenceServerException, match="shared memory is not supported") as error:
            request()
        assert error.value.status() == "400"


def test_concurrent_triton_requests(client: Any, styled: Any, styled_graph: Any) -> None:
    """Each request gets the bits that it would get alone, regardless of its batch."""
    alone = Generator(styled_graph.path).session
    with triton.InferenceServerClient(styled.url.removeprefix("http://"), concurrency=8) as many:
        asked = [inputs_of(1 + k % 5) for k in range(60)]
        waiting = [many.async_infer("generator", tensors) for tensors, _ in asked]
        for (_, values), answer in zip(asked, waiting, strict=True):
            np.testing.assert_array_equal(answer.get_result().as_numpy("images"), alone.run(["images"], values)[0])


def good(n: int = 2) -> dict[str, Any]:
    return {
        "inputs": [
            {"name": "z", "datatype": "FP32", "shape": [n, 6], "data": [0.5] * 6 * n},
            {"name": "label", "datatype": "INT64", "shape": [n], "data": [1] * n},
            {"name": "psi", "datatype": "FP32", "shape": [n], "data": [1] * n},
        ]
    }


def changed(tensor: int = 0, **changes: Any) -> dict[str, Any]:
    request = good()
    request["inputs"][tensor].update(changes)
    return request


def test_nested_data_equals_flat_data(styled: Any) -> None:
    answers = [
        httpx.post(f"{styled.url}/v2/models/generator/infer", json=body).json()["outputs"]
        for body in (good(), changed(data=[[0.5] * 6] * 2))
    ]
    assert answers[0] == answers[1]


BAD: list[tuple[Any, str]] = [
    (b"", "not JSON"),
    (b"\xff\xfe", "not JSON"),
    (b"[" * 100_000, "not JSON"),
    (b'{"inputs": [' + b'{"name": NaN}]}', "not JSON"),
    ([], "must be a JSON object"),
    ("inputs", "must be a JSON object"),
    ({}, "`inputs` must be a list"),
    ({"inputs": [1]}, "`inputs` must be a list"),
    ({"inputs": []}, "must contain each of z, label, psi once"),
    ({"inputs": good()["inputs"][:2]}, "must contain each of z, label, psi once"),
    ({"inputs": [good()["inputs"][0]] * 3}, "must contain each of z, label, psi once"),
    ({**good(), "id": 5}, "`id`"),
    ({**good(), "id": "x" * 300}, "`id`"),
    (changed(name=["z"]), "must contain each"),
    (changed(datatype="FP64"), "has datatype FP32, not 'FP64'"),
    (changed(datatype=None), "has datatype FP32"),
    (changed(shape=[2, 7]), r"has shape \[-1, 6\]"),
    (changed(shape=[12]), r"has shape \[-1, 6\]"),
    (changed(shape=[True, 6]), r"has shape \[-1, 6\]"),
    (changed(shape=[2.0, 6]), r"has shape \[-1, 6\]"),
    (changed(shape=[-1, 6]), "has -1 rows"),
    (changed(shape=[0, 6], data=[]), "has 0 rows"),
    (changed(shape=[51, 6]), r"has 51 rows, but a request may have 1 \.\. 50"),
    (changed(shape=[10**30, 6]), r"has shape \[-1, 6\]"),
    (changed(shape=[2**60, 6]), "may have 1"),
    (changed(data=[0.5] * 11), "data must be a list of 12 numbers"),
    (changed(data=None), "data must be a list of 12 numbers"),
    (changed(data="0.5"), "data must be a list of 12 numbers"),
    (changed(data=["0.5"] * 12), "data must be a list of 12 numbers"),
    (changed(data=[[0.5] * 5, [0.5] * 7]), "data must be a list of 12 numbers"),
    (changed(data=[[0.5] * 2] * 6), "data must be a list of 12 numbers"),
    (changed(data=[True] * 12), "data must be a list of 12 numbers"),
    (changed(data=[None] * 12), "data must be a list of 12 numbers"),
    (changed(data=[10**400] * 12), "not JSON|data must be"),
    (changed(data=[1e39] * 12), "not finite"),
    (changed(1, data=[0.5, 1.5]), "data must be a list of 2 integers"),
    (changed(1, data=[0, 30]), r"'label' must lie in 0 \.\. 29"),
    (changed(1, data=[0, -1]), r"'label' must lie in 0 \.\. 29"),
    (changed(1, data=[0, 2**63]), "data must be a list of 2 integers"),
    (changed(1, data=[0, 2**64]), "data must be a list of 2 integers|not JSON"),
    (changed(2, data=[0, 1.6]), r"must lie in 0 \.\. 1\.5"),
    (changed(2, shape=[1], data=[1]), "same number of rows"),
    (changed(parameters={"binary_data_size": 48}), "both data and binary_data_size"),
    (changed(parameters=[]), "must be an object"),
    ({**good(), "parameters": 3}, "must be an object"),
    ({**good(), "parameters": {"binary_data_output": 1}}, "must be true or false"),
    ({**good(), "outputs": "images"}, "must be a list"),
    ({**good(), "outputs": [{"name": "pixels"}]}, "among images, w"),
    ({**good(), "outputs": [{"name": ["images"]}]}, "among images, w"),
    ({**good(), "outputs": [{"name": "images"}] * 2}, "a name twice"),
    ({**good(), "outputs": [{"name": "images", "parameters": {"classification": 3}}]}, "for classifiers"),
    ({**good(), "outputs": [{"name": "images", "parameters": {"binary_data": "yes"}}]}, "must be true or false"),
]


@pytest.mark.parametrize(("body", "words"), BAD)
def test_invalid_requests_get_a_message(styled: Any, body: Any, words: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = httpx.post(f"{styled.url}/v2/models/generator/infer", content=content)
    assert answer.status_code == 400, answer.text

    assert re.search(words, answer.json()["error"]), answer.json()


@pytest.mark.parametrize("length", ["", "-1", "1e3", "99999", "9" * 5000, "٣", "5"])
def test_wrong_header_lengths(styled: Any, length: str) -> None:
    content = json.dumps(good()).encode()
    answer = httpx.post(
        f"{styled.url}/v2/models/generator/infer", content=content, headers={HEADER_LENGTH.encode(): length.encode()}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("size", "sent", "words"),
    [
        (48, 47, "must be 48"),
        (48, 49, "1 bytes behind"),
        (47, 48, "must be 48"),
        (-48, 48, "must be 48"),
        ("48", 48, "must be 48"),
        (True, 48, "must be 48"),
        (48.0, 48, "must be 48"),
    ],
)
def test_wrong_binary_sizes(styled: Any, size: Any, sent: int, words: str) -> None:
    request = good()
    del request["inputs"][0]["data"]
    request["inputs"][0]["parameters"] = {"binary_data_size": size}
    header = json.dumps(request).encode()
    answer = httpx.post(
        f"{styled.url}/v2/models/generator/infer",
        content=header + bytes(sent),
        headers={HEADER_LENGTH: str(len(header))},
    )
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_values_that_are_not_finite_are_rejected(styled: Any) -> None:
    request = good()
    del request["inputs"][0]["data"]
    request["inputs"][0]["parameters"] = {"binary_data_size": 48}
    header = json.dumps(request).encode()
    for value in (np.nan, np.inf):
        content = header + np.full(12, value, dtype="<f4").tobytes()
        answer = httpx.post(
            f"{styled.url}/v2/models/generator/infer", content=content, headers={HEADER_LENGTH: str(len(header))}
        )
        assert (answer.status_code, "not finite" in answer.text) == (400, True)
