"""The repository for Triton, read by Triton's own message definitions."""

import importlib.util
from pathlib import Path
from typing import Any

import tritonclient
from google.protobuf import text_format

from pipeline.serving.onnx import triton
from pipeline.serving.onnx.signature import describe_graph


def messages() -> Any:
    """tritonclient.grpc.model_config_pb2, whose package would ask for grpc."""
    spec = importlib.util.spec_from_file_location(
        "model_config_pb2", Path(tritonclient.__path__[0]) / "grpc" / "model_config_pb2.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_repository_has_the_layout_of_triton(styled_graph: Any, plain_graph: Any, tmp_path: Path) -> None:
    exported = tmp_path / "exported"
    exported.mkdir()
    for one, name in ((styled_graph, "generator"), (plain_graph, "synthesis")):
        (exported / f"{name}.onnx").write_bytes(one.path.read_bytes())
    graphs = [
        describe_graph(exported / f"{name}.onnx", plain_graph.metadata.item) for name in ("generator", "synthesis")
    ]
    (exported / "triton" / "old" / "1").mkdir(parents=True)
    triton.write_repository(exported / "triton", graphs, exported)
    assert sorted(str(path.relative_to(exported / "triton")) for path in (exported / "triton").rglob("*.*")) == [
        "generator/1/model.onnx",
        "generator/config.pbtxt",
        "synthesis/1/model.onnx",
        "synthesis/config.pbtxt",
    ]
    assert (exported / "triton/generator/1/model.onnx").read_bytes() == styled_graph.path.read_bytes()
    model_config_pb2 = messages()
    found = text_format.Parse((exported / "triton/generator/config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    assert (found.name, found.backend, found.max_batch_size) == ("generator", "onnxruntime", 64)
    assert found.dynamic_batching.max_queue_delay_microseconds == 2000
    inputs = [
        (one.name, model_config_pb2.DataType.Name(one.data_type), list(one.dims), one.HasField("reshape"))
        for one in found.input
    ]
    assert inputs == [
        ("z", "TYPE_FP32", [6], False),
        ("label", "TYPE_INT64", [1], True),
        ("psi", "TYPE_FP32", [1], True),
    ]
    assert all(list(one.reshape.shape) == [] for one in found.input)
    assert [(one.name, list(one.dims)) for one in found.output] == [("images", [1, 8, 8]), ("w", [4])]
