"""Exported graphs open in the oldest runtime that their files promise."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from pipeline.serving.onnx.runtime_versions import MINIMUM_RUNTIME, lower_ir_version, minimum_runtime
from pipeline.serving.onnx.signature import describe_graph
from pipeline.serving.settings import ExportSettings

OLD_RUNTIME = os.environ.get("GANLINE_OLD_RUNTIME", "")
RUN = """
import sys
import numpy as np, onnxruntime as ort
graph, inputs, outputs = sys.argv[1:]
session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
np.savez(outputs, *session.run(None, dict(np.load(inputs))))
print(ort.__version__)
"""


def small_model(opset: int) -> onnx.ModelProto:
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "graph", tensors[:1], tensors[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


@pytest.mark.parametrize(("opset", "ir_version"), [(18, 8), (19, 9), (20, 9), (21, 10), (23, 11)])
def test_the_ir_version_is_the_lowest_that_the_opset_allows(opset: int, ir_version: int) -> None:
    model = small_model(opset)
    lower_ir_version(model)
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == ir_version


def test_every_opset_of_the_settings_has_a_minimum_runtime() -> None:
    limits = ExportSettings.model_json_schema()["properties"]["opset"]
    assert set(MINIMUM_RUNTIME) == set(range(limits["minimum"], limits["maximum"] + 1))
    assert minimum_runtime(small_model(20)) == "1.17"


def test_an_exported_graph_has_it_and_the_signature_says_so(styled_graph: Any) -> None:
    assert onnx.load(styled_graph.path).ir_version == 9
    assert describe_graph(styled_graph.path, styled_graph.metadata.item)["onnxruntime"] == ">=1.17"


@pytest.mark.skipif(not OLD_RUNTIME, reason="GANLINE_OLD_RUNTIME names no folder with onnxruntime 1.17 and numpy 1")
@pytest.mark.parametrize("name", ["plain_graph", "styled_graph"])
def test_the_oldest_runtime_gives_the_same_values(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = request.getfixturevalue(name).path
    session, rng = ort.InferenceSession(path, providers=["CPUExecutionProvider"]), np.random.default_rng(0)
    feed: dict[str, Any] = {
        one.name: np.ones(4, dtype=np.int64)
        if "int" in one.type
        else rng.normal(size=[4, *one.shape[1:]]).astype(np.float32)
        for one in session.get_inputs()
    }
    np.savez(tmp_path / "inputs.npz", **feed)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path), str(tmp_path / "inputs.npz"), str(tmp_path / "outputs.npz")],
        env=os.environ | {"PYTHONPATH": OLD_RUNTIME},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1.17.")
    found = np.load(tmp_path / "outputs.npz")
    for number, ours in enumerate(session.run(None, feed)):
        np.testing.assert_allclose(found[f"arr_{number}"], ours, atol=1e-5)
