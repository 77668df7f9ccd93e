"""Quantization: correct measurements, refusal of large differences, usable results."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from pipeline.errors import InputError
from pipeline.serving.graph_tensors import latents
from pipeline.serving.onnx.quantize import Kind, quantize
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.image_to_image import ImageToImage


@pytest.mark.parametrize("kind", ["fp16", "int8"])
def test_errors_sizes_and_metadata(plain_graph: Any, tmp_path: Path, kind: Kind) -> None:
    out = tmp_path / "new" / f"{kind}.onnx"
    found = quantize(plain_graph.path, out, kind, 5)
    z = latents(2, 0, 256, 24)
    sessions = [onnxruntime.InferenceSession(path) for path in (plain_graph.path, out)]
    ours, theirs = (
        np.concatenate([one.run(["images"], {"z": z[at : at + 64]})[0] for at in range(0, 256, 64)]) for one in sessions
    )
    apart = np.abs(ours.astype(np.float64) - theirs) * 127.5
    assert found.max_levels == pytest.approx(apart.max(), rel=1e-3)
    assert found.mean_levels == pytest.approx(apart.mean(), rel=1e-3)
    assert found.mean_levels < (0.1 if kind == "fp16" else 5)
    assert found.max_levels > 0, "the weights differ"
    assert found.size_bytes == (plain_graph.path.stat().st_size, out.stat().st_size)
    assert set(found.latency_ms) == {1, 64}
    assert all(time > 0 for pair in found.latency_ms.values() for time in pair)
    generator = Generator(out)
    assert generator.metadata == plain_graph.metadata
    assert generator.sample(3).shape == (3, 16, 16, 1)
    assert theirs.dtype == np.float32, "inputs and outputs stay float32"


def test_conditional_and_image_graphs_are_quantized(
    labelled_graph: Any, styled_graph: Any, upscaler: Path, tmp_path: Path
) -> None:
    for path in (labelled_graph.path, styled_graph.path):
        assert quantize(path, tmp_path / "out.onnx", "fp16", 1).mean_levels < 0.5
    assert quantize(upscaler, tmp_path / "larger.onnx", "fp16", 1).mean_levels < 0.5
    assert ImageToImage(tmp_path / "larger.onnx")(np.zeros((9, 7, 3), dtype=np.uint8)).shape == (18, 14, 3)


def test_refused_conversions_write_nothing(plain_graph: Any, upscaler: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    with pytest.raises(
        InputError, match=r"as int8 its images differ by .* more than 0\.001 and 0\.016\. Nothing was written"
    ):
        quantize(plain_graph.path, out, "int8", 0.001)
    with pytest.raises(InputError, match="int8 needs a generator of latents"):
        quantize(upscaler, out, "int8", 1)
    with pytest.raises(InputError, match="would overwrite its source"):
        quantize(plain_graph.path, plain_graph.path, "fp16", 1)
    with pytest.raises(InputError, match="no such file"):
        quantize(tmp_path / "none.onnx", out, "fp16", 1)
    assert not out.exists()


def test_the_command(plain_graph: Any, tmp_path: Path) -> None:
    from pipeline.cli.app import app

    model = tmp_path / "generator.onnx"
    model.write_bytes(plain_graph.path.read_bytes())
    done = CliRunner().invoke(app, ["quantize", "fp16", "--model", str(model)])
    assert done.exit_code == 0, done.output
    assert "generator.fp16.onnx: 0.0" in done.output
    assert "levels of 255 on average" in done.output
    assert "batch 64: " in done.output
    assert (tmp_path / "generator.fp16.onnx").is_file()
    assert CliRunner().invoke(app, ["quantize", "int4"]).exit_code == 2
