"""A user's ONNX encoder: preprocessing and features against closed forms, and errors for unsuitable files."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import ArrayItems, extract
from pipeline.evaluation.extractors.onnx_encoder import Encoder, open_encoder, providers_for
from pipeline.evaluation.settings import EncoderSettings
from tests.specs import image_spec

IN_OUT = (("x", 3), ("y", 4))


class Flat(nn.Module):
    """The means of the four quarters of an image, for each channel."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(x, 2)


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoder") / "mine.onnx"
    torch.onnx.export(
        Flat(),
        (torch.zeros(2, 3, 16, 16),),
        path,
        dynamo=True,
        dynamic_shapes=({0: "n"},),
        verbose=False,
        external_data=False,
    )
    return path


def images(n: int = 6, side: int = 16, channels: int = 3) -> Any:
    return np.random.default_rng(0).integers(0, 256, (n, side, side, channels), dtype=np.uint8)


def test_features_equal_the_closed_form(encoder_file: Path) -> None:
    settings = EncoderSettings(mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    extractor = open_encoder(encoder_file, settings, image_spec(16, 3))
    found = extract(extractor, ArrayItems(images()), 4)
    x = (images() / 255 - np.array([0.1, 0.2, 0.3])) / np.array([0.5, 0.25, 2.0])
    expected = x.reshape(6, 2, 8, 2, 8, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2).reshape(6, 12)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert extractor.spec.dims == 12
    assert extractor.spec.measure == f"fd_encoder_{extractor.spec.sha8}"
    assert extractor.spec.value_range == "mean=0.1,0.2,0.3,std=0.5,0.25,2"


def test_gray_images_are_repeated_and_images_resized(encoder_file: Path) -> None:
    extractor = open_encoder(encoder_file, EncoderSettings(side=16), image_spec(8, 1))
    gray = images(side=8, channels=1)
    np.testing.assert_array_equal(extractor.features(gray), extractor.features(gray.repeat(3, axis=3)))
    larger = open_encoder(encoder_file, EncoderSettings(side=16), image_spec(32, 3))
    assert isinstance(larger, Encoder)
    assert larger.prepare(images(side=32)).shape == (6, 3, 16, 16)


@pytest.mark.parametrize(
    ("settings", "side", "words"),
    [
        (EncoderSettings(), 32, "does not take items of 32 x 32 x 3 .*; set evaluate.encoder.side"),
        (
            EncoderSettings(mean=(0.1, 0.2)),
            16,
            "evaluate.encoder.mean has 2 values, and mine.onnx takes 3 channels",
        ),
    ],
)
def test_images_that_the_encoder_does_not_take_are_rejected(
    encoder_file: Path, settings: EncoderSettings, side: int, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        open_encoder(encoder_file, settings, image_spec(side, 3))


def test_unreadable_encoders_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.onnx: cannot be read"):
        open_encoder(tmp_path / "none.onnx", EncoderSettings(), image_spec(8, 1))
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(InputError, match=r"text\.onnx: not a model that ONNX Runtime can run"):
        open_encoder(tmp_path / "text.onnx", EncoderSettings(), image_spec(8, 1))


def test_weights_in_a_second_file_are_refused(tmp_path: Path) -> None:
    """This is what torch.onnx.export writes by default, and the hash of the file would not cover the weights."""
    path = tmp_path / "two.onnx"
    weight = onnx.numpy_helper.from_array(np.ones((4, 3, 1, 1), dtype=np.float32), "weight")
    node = onnx.helper.make_node("Conv", ["x", "weight"], ["y"])
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", k, 8, 8]) for name, k in IN_OUT]
    graph = onnx.helper.make_graph([node], "encoder", values[:1], values[1:], [weight])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, path, save_as_external_data=True, location="two.data", size_threshold=0)
    with pytest.raises(InputError, match=r"two\.onnx: its weights are in another file.*external_data=False"):
        open_encoder(path, EncoderSettings(), image_spec(8, 3))


def test_the_encoder_runs_where_the_evaluation_does(encoder_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CUDA device with ONNX Runtime's GPU package, in float32; else on the CPU."""
    cpu, gpu = torch.device("cpu"), torch.device("cuda:0")
    packages = {"cpu": ["CPUExecutionProvider"], "gpu": ["CUDAExecutionProvider", "CPUExecutionProvider"]}
    for package, device, expected in (("cpu", gpu, 1), ("gpu", cpu, 1), ("gpu", gpu, 2)):
        with monkeypatch.context() as patch:
            patch.setattr(onnxruntime, "get_available_providers", lambda package=package: packages[package])
            patch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
            providers = providers_for(device)
        assert len(providers) == expected
        assert providers[-1] == "CPUExecutionProvider"
    assert providers[0] == ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"})
    without = open_encoder(encoder_file, EncoderSettings(), image_spec(16, 3), gpu)
    assert isinstance(without, Encoder)
    assert without.session.get_providers() == ["CPUExecutionProvider"]
