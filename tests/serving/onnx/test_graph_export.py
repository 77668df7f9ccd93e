"""The exported file: self-contained, dynamic axes, no local traces, reproducible."""

import getpass
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx

from pipeline.gans.variants.dcgan.dcgan import DCGAN
from pipeline.serving.onnx.graph_export import BATCH, export, name_tensors
from pipeline.serving.onnx.metadata import Metadata


def test_the_file_is_self_contained(plain_graph: Any) -> None:
    assert [path.name for path in plain_graph.path.parent.iterdir()] == ["generator.onnx"]
    model = onnx.load(plain_graph.path, load_external_data=False)
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": 20}
    onnx.checker.check_model(model, full_check=True)


def test_inputs_and_outputs_are_named_and_their_first_axis_is_dynamic(plain_graph: Any, labelled_graph: Any) -> None:
    graph = onnx.load(plain_graph.path).graph
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes == {"z": [BATCH, 24], "images": [BATCH, 1, 16, 16]}
    graph = onnx.load(labelled_graph.path).graph
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes == {"z": [BATCH, 12], "label": [BATCH], "images": [BATCH, 3, 8, 8]}


def test_the_file_contains_no_local_traces(plain_graph: Any, labelled_graph: Any) -> None:
    for path in (plain_graph.path, labelled_graph.path):
        content = path.read_bytes()
        root = Path(__file__).parents[3]
        for trace in (
            str(root),
            str(Path.home()) + "/",
            sys.prefix,
            str(path.parent),
            "site-packages",
            ".py",
            'File "',
            "stack_trace",
            "torch.nn",
        ):
            assert trace.encode() not in content, trace
        if getpass.getuser() != "root":  # "root" is a word like any other
            assert getpass.getuser().encode() not in content
        model = onnx.load(path)
        assert all(not node.metadata_props and not node.doc_string for node in model.graph.node)


def test_metadata_round_trip(plain_graph: Any) -> None:
    pairs = {entry.key: entry.value for entry in onnx.load(plain_graph.path).metadata_props}
    assert Metadata.read(pairs, "x") == plain_graph.metadata
    assert '"classes": ["zero", "na\\u00efve", "\\"three\\""]' in pairs["ganline.item"]
    assert pairs["ganline.verdict"] == "pass"


def test_exports_are_reproducible(
    plain_graph: Any, dcgan: DCGAN, tmp_path: Path, describe: Callable[..., Metadata]
) -> None:
    def digest(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    spec = name_tensors(dcgan.export()[0], describe().item)
    export(spec, tmp_path / "other-name.onnx", describe().pairs(), 20)
    assert digest(tmp_path / "other-name.onnx") == digest(plain_graph.path)
    export(spec, tmp_path / "other-commit.onnx", describe(git_commit="d" * 40).pairs(), 20)
    assert digest(tmp_path / "other-commit.onnx") != digest(plain_graph.path)
