"""Write a model repository for NVIDIA's Triton Inference Server: one folder per model, its ONNX file as version 1.

See model_repository.md and model_configuration.md in
https://github.com/triton-inference-server/server/tree/main/docs/user_guide.
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TYPES = {"float32": "TYPE_FP32", "int64": "TYPE_INT64"}
MAX_BATCH = 64
DELAY_MICROSECONDS = 2000


def write_repository(folder: Path, graphs: Iterable[Mapping[str, Any]], exported: Path) -> None:
    """Replace `folder` by a repository with the graphs in `exported`, as signature.json describes them."""
    shutil.rmtree(folder, ignore_errors=True)
    for graph in graphs:
        name = Path(graph["file"]).stem
        version = folder / name / "1"
        version.mkdir(parents=True)
        shutil.copyfile(exported / graph["file"], version / "model.onnx")
        (folder / name / "config.pbtxt").write_text(model_config(name, graph), encoding="utf-8")


def model_config(name: str, graph: Mapping[str, Any]) -> str:
    """Return config.pbtxt with dynamic batching: requests within two milliseconds share a batch."""
    return f"""name: "{name}"
backend: "onnxruntime"
max_batch_size: {MAX_BATCH}
{tensor_list("input", graph["inputs"])}
{tensor_list("output", graph["outputs"])}
dynamic_batching {{ max_queue_delay_microseconds: {DELAY_MICROSECONDS} }}
"""


def tensor_list(kind: str, tensors: Iterable[Mapping[str, Any]]) -> str:
    """Return the configuration of all inputs or outputs."""
    lines = ",\n".join(tensor_config(tensor) for tensor in tensors)
    return f"{kind} [\n{lines}\n]"


def tensor_config(tensor: Mapping[str, Any]) -> str:
    """Return the configuration of one tensor.

    Its shape excludes the batch and must not be empty: a scalar per row (label, psi) is sent as [batch, 1].
    """
    dims = ", ".join(str(size) for size in tensor["shape"][1:])
    shape = f"dims: [ {dims} ]" if dims else "dims: [ 1 ] reshape: { shape: [ ] }"
    return f'  {{ name: "{tensor["name"]}" data_type: {TYPES[tensor["dtype"]]} {shape} }}'
