"""Convert an exported graph to float16 or int8; refuse if its images differ too much from float32."""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.errors import InputError
from pipeline.media.scale import BYTES
from pipeline.serving.graph_tensors import Arrays, example_inputs
from pipeline.serving.onnx.graph_digest import seal
from pipeline.serving.runtime.generator import Graph, read_model
from pipeline.serving.runtime.image_to_image import ImageToImage
from pipeline.serving.runtime.open_model import open_model
from pipeline.serving.runtime.session import median_ms, open_session

Kind = Literal["fp16", "int8"]

WORST_FACTOR = 16
"""A single value may differ by this many times the tolerated mean difference."""

COMPARED_ITEMS, CALIBRATION_ITEMS, BATCH = 256, 512, 64
TIMED_BATCHES = (1, 64)


@dataclass(frozen=True)
class Quantized:
    """The converted file, compared with float32.

    Attributes:
        max_levels, mean_levels: Difference of the images in 8-bit levels.
        size_bytes: Of the original and of the converted file.
        latency_ms: The same pair by batch size.
    """

    path: Path
    provider: str
    max_levels: float
    mean_levels: float
    size_bytes: tuple[int, int]
    latency_ms: Mapping[int, tuple[float, float]]


def quantize(model: Path, output: Path, kind: Kind, tolerance: float) -> Quantized:
    """Write `model` with fewer bits and compare it with float32; int8 is calibrated on random latents.

    Raises InputError for a model that cannot be used or converted, and if the mean difference exceeds `tolerance`
    8-bit levels or the largest one `WORST_FACTOR` times that. Nothing is written then.
    """
    content = read_model(model)
    graph = Graph(model, content)
    if isinstance(open_model(graph), ImageToImage) and kind == "int8":
        raise InputError(
            f"{model}: int8 needs a generator of latents: the value ranges of images are not known for calibration. "
            "Use fp16."
        )
    if output.resolve() == model.resolve():
        raise InputError(f"{output}: would overwrite its source. Choose another name with -o.")
    converted = convert_to_half(content, model) if kind == "fp16" else convert_to_int8(content, graph)
    session = open_session(converted, str(output))
    worst, mean = difference_in_levels(graph, session)
    if not (mean <= tolerance and worst <= WORST_FACTOR * tolerance):
        raise InputError(
            f"{model}: as {kind} its images differ by {mean:.2f} levels of 255 on average and {worst:.1f} at most, "
            f"more than {tolerance:g} and {WORST_FACTOR * tolerance:g}. Nothing was written. Keep float32, or raise "
            "--tolerance."
        )
    latency = {n: latencies(graph, session, n) for n in TIMED_BATCHES}
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(converted)
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from None
    return Quantized(output, session.get_providers()[0], worst, mean, (len(content), len(converted)), latency)


def convert_to_half(content: bytes, model: Path) -> bytes:
    """Return the graph with float16 weights and computations; inputs and outputs stay float32."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with suppress_output(), converter_errors(model):
        return seal(convert_float_to_float16(onnx.load_from_string(content), keep_io_types=True))


def convert_to_int8(content: bytes, graph: Graph) -> bytes:
    """Return the graph with int8 weights per channel and activations per tensor, calibrated on random latents."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Samples(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches: Iterator[Arrays] = example_batches(graph, CALIBRATION_ITEMS, seed=1)

        def get_next(self) -> Any:
            return next(self.batches, None)

    with tempfile.TemporaryDirectory() as folder, suppress_output(), converter_errors(graph.path):
        path = Path(folder) / "int8.onnx"
        original = onnx.load_from_string(content)
        properties = {entry.key: entry.value for entry in original.metadata_props}
        quantize_static(
            original,
            path,
            Samples(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        converted = onnx.load(path)
        onnx.helper.set_model_props(converted, properties)
        return seal(converted)


def difference_in_levels(graph: Graph, session: Any) -> tuple[float, float]:
    """Return the largest and the mean absolute difference of the images in 8-bit levels; infinite if not finite."""
    worst, total, count = 0.0, 0.0, 0
    items = BATCH if graph.item_input in graph.inputs else COMPARED_ITEMS
    for inputs in example_batches(graph, items, seed=2):
        ours, theirs = (one.run([graph.items_output], inputs)[0].astype(np.float64) for one in (graph.session, session))
        difference = np.abs(np.nan_to_num(theirs, nan=np.inf) - ours) * BYTES.half
        worst, total, count = max(worst, float(difference.max())), total + float(difference.sum()), count + ours.size
    return worst, total / count


def latencies(graph: Graph, session: Any, n: int) -> tuple[float, float]:
    """Return the median latency of both graphs at batch size n, in milliseconds."""
    inputs = example_inputs(graph.inputs, graph.metadata, n)
    return median_ms(graph.session, inputs), median_ms(session, inputs)


def example_batches(graph: Graph, n: int, seed: int) -> Iterator[Arrays]:
    """Yield n example inputs in batches."""
    inputs = example_inputs(graph.inputs, graph.metadata, n, seed)
    for start in range(0, n, BATCH):
        yield {name: rows[start : start + BATCH] for name, rows in inputs.items()}


@contextlib.contextmanager
def converter_errors(model: Path) -> Iterator[None]:
    """Turn any error of the converters into an InputError."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the converters raise anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{model}: cannot be converted ({reason}). Keep float32.") from None


@contextlib.contextmanager
def suppress_output() -> Iterator[None]:
    """Suppress what the converters print and log about their internals; errors still raise."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
