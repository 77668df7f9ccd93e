"""A model repository as NVIDIA's Triton Inference Server reads it: a folder a model, its configuration, its ONNX file as version 1.

https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_repository.md and model_configuration.md
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TYPES = {"float32": "TYPE_FP32", "int64": "TYPE_INT64"}
MAX_BATCH = 64
DELAY_MICROSECONDS = 2000


def write(folder: Path, graphs: Iterable[Mapping[str, Any]], exported: Path) -> None:
    """`folder` anew, with the graphs of `exported` as signature.json describes them."""
    shutil.rmtree(folder, ignore_errors=True)
    for graph in graphs:
        name = Path(graph["file"]).stem
        version = folder / name / "1"
        version.mkdir(parents=True)
        shutil.copyfile(exported / graph["file"], version / "model.onnx")
        (folder / name / "config.pbtxt").write_text(config(name, graph), encoding="utf-8")


def config(name: str, graph: Mapping[str, Any]) -> str:
    """config.pbtxt with dynamic batching: requests that come within two milliseconds are drawn together."""
    return f"""name: "{name}"
backend: "onnxruntime"
max_batch_size: {MAX_BATCH}
{tensors("input", graph["inputs"])}
{tensors("output", graph["outputs"])}
dynamic_batching {{ max_queue_delay_microseconds: {DELAY_MICROSECONDS} }}
"""


def tensors(kind: str, described: Iterable[Mapping[str, Any]]) -> str:
    listed = ",\n".join(tensor(one) for one in described)
    return f"{kind} [\n{listed}\n]"


def tensor(one: Mapping[str, Any]) -> str:
    """Its shape is without the batch, and must not be empty: one number a row (label, psi) is sent as [batch, 1]."""
    dims = ", ".join(str(size) for size in one["shape"][1:])
    shape = f"dims: [ {dims} ]" if dims else "dims: [ 1 ] reshape: { shape: [ ] }"
    return f'  {{ name: "{one["name"]}" data_type: {TYPES[one["dtype"]]} {shape} }}'
