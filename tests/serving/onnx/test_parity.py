"""The parity check detects graphs that differ from PyTorch."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from pipeline.errors import InputError
from pipeline.gans.base import ExportSpec
from pipeline.serving.onnx.graph_export import export
from pipeline.serving.onnx.parity import LATENCY_BATCHES, check_parity, distance
from pipeline.serving.runtime.session import open_session
from tests.specs import image_spec


@pytest.mark.parametrize("which", ["plain_graph", "labelled_graph"])
def test_the_export_agrees_with_torch(which: str, request: pytest.FixtureRequest) -> None:
    exported = request.getfixturevalue(which)
    found = check_parity(exported.spec, exported.path, 1e-5, image_spec(16, 1, 3))
    assert found.max_abs < 1e-5
    assert set(found.latency_ms) == set(LATENCY_BATCHES)
    assert 0 < found.latency_ms[1] < 1000
    assert found.provider in ("CPUExecutionProvider", "CUDAExecutionProvider")


def test_a_changed_weight_is_detected(plain_graph: Any, tmp_path: Path) -> None:
    model = onnx.load(plain_graph.path)
    last = next(tensor for tensor in model.graph.initializer if tensor.name == "layers.7.weight")
    last.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(last) + np.float32(0.02), last.name))
    onnx.save(model, tmp_path / "generator.onnx")
    with pytest.raises(
        InputError,
        match=r"generator\.onnx at batch 1: output 'images' differs from PyTorch by 0\.0"
        r".* more than 0\.001 \(export\.parity_tolerance\)",
    ):
        check_parity(plain_graph.spec, tmp_path / "generator.onnx", 1e-3, image_spec(16, 1, 3))


class Normalise(nn.Module):
    """z [B, 12] -> images [B, 1, 2, 6]: z divided by its length, with an epsilon; times a factor close to 1."""

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        normalised = z * (z.square().mean(dim=1, keepdim=True) + self.epsilon).rsqrt()
        return torch.unflatten(normalised * 1.000005, 1, (1, 2, 6))


@pytest.mark.parametrize("epsilon", [1e-8, 1e-12])
def test_small_constants_are_exported(epsilon: float, tmp_path: Path) -> None:
    """The exporter's optimizer took 1e-8 for 0 and 1.000005 for 1: zeros gave NaN."""
    spec = ExportSpec("generator", Normalise(epsilon).eval(), {"z": torch.zeros(2, 12)}, ("images",))
    path = tmp_path / "generator.onnx"
    export(spec, path, {}, 20)
    assert check_parity(spec, path, 1e-6, image_spec(2, 1)).max_abs < 1e-6
    zeros = open_session(path, path.name).run(None, {"z": np.zeros((3, 12), dtype=np.float32)})[0]
    assert not zeros.any()


@pytest.mark.parametrize("kind", ["zero", "large", "repeated"])
def test_a_difference_at_extreme_inputs_is_detected(kind: str, plain_graph: Any) -> None:
    class Changed(nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            images = plain_graph.spec.module(z)
            extreme = {
                "zero": not z.any(),
                "large": bool(z.abs().max() > 20),
                "repeated": len(z) == 2 and bool((z[0] == z[1]).all() and z.any()),
            }
            return torch.ones_like(images) if extreme[kind] else images

    changed = ExportSpec("generator", Changed(), plain_graph.spec.inputs, ("images",))
    with pytest.raises(InputError, match=rf"generator\.onnx with {kind} inputs: output 'images' differs"):
        check_parity(changed, plain_graph.path, 1e-3, image_spec(16, 1, 3))


def test_nan_is_a_mismatch(plain_graph: Any) -> None:
    class Broken(nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return torch.full((len(z), 1, 16, 16), torch.nan)

    with pytest.raises(InputError, match="PyTorch network is not finite"):
        check_parity(
            ExportSpec("generator", Broken(), plain_graph.spec.inputs, ("images",)),
            plain_graph.path,
            0.9,
            image_spec(16, 1, 3),
        )


def test_distance_is_infinite_for_other_shapes_and_nan_for_nan() -> None:
    assert distance(np.zeros((2, 3)), np.zeros((3, 2))) == np.inf
    assert np.isnan(distance(np.array([np.nan]), np.array([np.nan])))
    assert distance(np.array([0.25, -0.5]), np.array([0.5, -1.0])) == 0.5, "images: the plain difference"
    assert distance(np.array([1.0, -2.0]), np.array([1.5, -4.0])) == 1.0, "beyond 1: in units of the largest value"
    assert distance(np.array([250], dtype=np.uint8), np.array([251], dtype=np.uint8)) == 1 / 250
    assert np.isnan(distance(np.array([1.0, 2.0]), np.array([np.nan, 2.0])))
    assert distance(np.array([1.0, 2.0]), np.array([np.inf, 2.0])) == np.inf
