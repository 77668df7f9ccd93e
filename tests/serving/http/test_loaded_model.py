"""A model is served only if it returns valid images, identical in every batch size in use."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.errors import InputError
from pipeline.serving.graph_tensors import take_in_turn
from pipeline.serving.http.loaded_model import LoadedModel, ModelFile
from pipeline.serving.runtime.session import Provider

SIZES = (1, 2, 4, 8, 16)


def model_file(path: Path) -> ModelFile:
    return ModelFile("generator", "1", path, path.read_bytes())


def graph(path: Path, metadata: Any, nodes: list[Any], constants: dict[str, Any] | None = None) -> ModelFile:
    """Write a generator of 2 x 2 gray images from z [B, 4]."""
    onnx_graph = helper.make_graph(
        [*nodes, helper.make_node("Reshape", ["flat", "shape"], ["images"])],
        "generator",
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 1, 2, 2])],
        [
            onnx.numpy_helper.from_array(np.asarray(value), name)
            for name, value in {"shape": np.array([-1, 1, 2, 2]), **(constants or {})}.items()
        ],
    )
    model = helper.make_model(onnx_graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, metadata.pairs())
    path.write_bytes(model.SerializeToString())
    return model_file(path)


@pytest.fixture
def small(describe: Callable[..., Any]) -> Any:
    return describe(resolution=2, latent=4, class_names=[])


def test_generators_give_identical_bits_in_every_batch(
    plain_graph: Any, labelled_graph: Any, styled_graph: Any
) -> None:
    for one in (plain_graph, labelled_graph, styled_graph):
        loaded = LoadedModel(model_file(one.path), 16)
        generator = loaded.generator
        psi = {"psi": 0.6} if "psi" in generator.inputs else {}
        inputs = {"z": generator.latents(5, 0, 37), **take_in_turn(generator.conditions(**psi), 37)}
        alone = np.concatenate(
            [
                loaded.run({name: rows[k : k + 1] for name, rows in inputs.items()}, ["images"])["images"]
                for k in range(37)
            ]
        )
        for size in loaded.sizes:
            parts = [
                loaded.run({name: rows[k : k + size] for name, rows in inputs.items()}, ["images"])["images"]
                for k in range(0, 32, size)
            ]
            assert np.array_equal(
                np.concatenate(parts).view(np.uint32), alone[: len(np.concatenate(parts))].view(np.uint32)
            )


def test_a_batch_size_with_other_rounding_is_never_used(small: Any, tmp_path: Path) -> None:
    """The graph adds 0.001 at batch size 1, as another kernel would add a rounding error."""
    nodes = [
        helper.make_node("Shape", ["z"], ["size"], end=1),
        helper.make_node("Equal", ["size", "one"], ["alone"]),
        helper.make_node("Where", ["alone", "epsilon", "zero"], ["error"]),
        helper.make_node("Add", ["z", "error"], ["flat"]),
    ]
    constants = {"one": np.array([1]), "epsilon": np.array([1e-3], np.float32), "zero": np.array([0], np.float32)}
    loaded = LoadedModel(graph(tmp_path / "g.onnx", small, nodes, constants), 16)
    assert loaded.sizes == SIZES[1:]
    z = loaded.generator.latents(3, 0, 7)
    alone = np.concatenate([loaded.run({"z": z[k : k + 1]}, ["images"])["images"] for k in range(7)])
    assert np.array_equal(alone, z.reshape(7, 1, 2, 2)), "single rows run in a batch of two"
    assert loaded.batch_size(1) == 2
    assert loaded.batch_size(3) == 2
    assert loaded.batch_size(40) == 16


def test_a_graph_that_depends_on_the_batch_position_runs_single_rows(small: Any, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("CumSum", ["ones_like", "axis"], ["places"]),
        helper.make_node("Add", ["z", "places"], ["flat"]),
    ]
    nodes = [
        helper.make_node("Mul", ["z", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "one"], ["ones_like"]),
        *nodes,
    ]
    constants = {"zero": np.array([0], np.float32), "one": np.array([1], np.float32), "axis": np.int64(0)}
    assert LoadedModel(graph(tmp_path / "g.onnx", small, nodes, constants), 16).sizes == (1,)


def test_largest_batches_that_are_no_power_of_two(plain_graph: Any) -> None:
    assert LoadedModel(model_file(plain_graph.path), 12).sizes == (1, 2, 4, 8, 12)
    assert LoadedModel(model_file(plain_graph.path), 1).sizes == (1,)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([helper.make_node("RandomNormalLike", ["z"], ["flat"])], "the same input gives a different result every time"),
        ([helper.make_node("Log", ["z"], ["flat"])], "not finite"),
        (
            [helper.make_node("Concat", ["z", "z"], ["flat"], axis=1)],
            r"returned float32 \(16, 1, 2, 2\), but its metadata promises float32 \(8, 1, 2, 2\)",
        ),
        ([helper.make_node("Gather", ["z", "far"], ["flat"], axis=1)], "warm-up with batches of 1 failed"),
    ],
)
def test_invalid_generators_are_not_served(small: Any, tmp_path: Path, nodes: list[Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        LoadedModel(graph(tmp_path / "g.onnx", small, nodes, {"far": np.array([9, 9, 9, 9])}), 16)


def test_the_active_provider_is_reported_and_a_strict_one_enforced(
    plain_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.serving.runtime.session.gpus", lambda: 0)
    wanted: Provider
    for wanted in ("auto", "cpu", "cuda", "tensorrt"):
        assert LoadedModel(model_file(plain_graph.path), 1, wanted).graph.provider == "CPUExecutionProvider"
    assert LoadedModel(model_file(plain_graph.path), 1, "cpu", strict=True).graph.provider == "CPUExecutionProvider"
    for wanted, name in (("cuda", "CUDAExecutionProvider"), ("tensorrt", "TensorrtExecutionProvider")):
        with pytest.raises(InputError, match=f"--strict-provider: {name} cannot run here, only CPUExecutionProvider"):
            LoadedModel(model_file(plain_graph.path), 1, wanted, strict=True)


def test_images_of_any_size_run_one_by_one_and_fixed_size_in_stable_batches(
    upscaler: Path, style_folder: Path, fixed_size_graph: Path
) -> None:
    for path in (upscaler, style_folder / "generator.onnx"):
        loaded = LoadedModel(model_file(path), 16, tile=192)
        assert (loaded.any_size, loaded.sizes) == (True, (1,))
        assert loaded.inputs[0].shape == (3, -1, -1)
        with pytest.raises(InputError, match="POST one to /apply"):
            loaded.generator.latents(0, 0, 1)
    loaded = LoadedModel(model_file(fixed_size_graph), 16)
    assert not loaded.any_size
    assert loaded.inputs[0].shape == (3, 16, 16)
    assert loaded.sizes[-1] == 16


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        (
            [helper.make_node("RandomNormalLike", ["image"], ["images"])],
            "the same input gives a different result every time",
        ),
        ([helper.make_node("Log", ["image"], ["images"])], "not finite"),
        (
            [helper.make_node("Concat", ["image", "image"], ["images"], axis=3)],
            r"returned float32 \(8, 3, 8, 16\), but its metadata promises",
        ),
        (
            [helper.make_node("Conv", ["image", "kernel"], ["images"])],
            "warm-up with batches of 1, 8 x 8 pixels, failed",
        ),
        ([helper.make_node("Gather", ["image", "far"], ["images"], axis=0)], r"failed"),
    ],
)
def test_invalid_transformations_are_not_served(describe: Any, tmp_path: Path, nodes: list[Any], words: str) -> None:
    sides: list[str | int | None] = ["batch", 3, "height", "width"]
    onnx_graph = helper.make_graph(
        nodes,
        "generator",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, sides)],
        [
            onnx.numpy_helper.from_array(np.zeros((1, 3, 9, 9), np.float32), "kernel"),
            onnx.numpy_helper.from_array(np.array([5]), "far"),
        ],
    )
    model = helper.make_model(onnx_graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(
        model, describe(resolution=8, channels=3, latent=0, class_names=[], task="restore", multiple=1).pairs()
    )
    path = tmp_path / "g.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=words):
        LoadedModel(model_file(path), 16)
