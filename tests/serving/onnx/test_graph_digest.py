"""The digest of the graph in an exported file."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from pipeline.errors import InputError
from pipeline.serving.onnx.graph_digest import KEY, graph_digest, seal
from pipeline.serving.onnx.quantize import convert_to_half
from pipeline.serving.runtime.generator import Graph


def stored_digest(content: bytes) -> str:
    digest: str = next(entry.value for entry in onnx.load_from_string(content).metadata_props if entry.key == KEY)
    return digest


def test_exported_and_converted_files_carry_their_digest(plain_graph: Any) -> None:
    content = plain_graph.path.read_bytes()
    half = convert_to_half(content, plain_graph.path)
    assert graph_digest(content) == stored_digest(content)
    assert graph_digest(half) == stored_digest(half) != stored_digest(content)
    assert seal(onnx.load_from_string(content)) == content


def scaled(path: Path, factor: float) -> bytes:
    """Return an exported file with its weights multiplied by a factor."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            values = onnx.numpy_helper.to_array(tensor) * np.float32(factor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return seal(model)


def test_a_mixture_of_two_models_is_no_model(plain_graph: Any, tmp_path: Path) -> None:
    old, new = scaled(plain_graph.path, 1), scaled(plain_graph.path, 1.1)
    mixture = tmp_path / "generator.onnx"
    assert len(old) == len(new)
    for part in (0.2, 0.5, 0.9):
        cut = int(part * len(new))
        mixture.write_bytes(new[:cut] + old[cut:])
        with pytest.raises(InputError, match=r"generator\.onnx: its graph does not match the digest"):
            Graph(mixture)
    mixture.write_bytes(new)
    Graph(mixture)


def test_files_without_a_digest_and_with_other_metadata_are_opened(plain_graph: Any) -> None:
    model = onnx.load(plain_graph.path)
    next(entry for entry in model.metadata_props if entry.key == "ganline.fid").value = "3.5"
    assert Graph(plain_graph.path, model.SerializeToString()).metadata.fid == 3.5
    entries = [entry for entry in model.metadata_props if entry.key != KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(entries)
    assert Graph(plain_graph.path, model.SerializeToString()).inputs == ["z"]
