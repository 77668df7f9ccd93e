"""An exported graph in fewer bits: float16, or int8 with float32 in and out; refused where its pictures are not those of float32."""

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
from pipeline.serving.graph_tensors import Arrays, example_inputs
from pipeline.serving.runtime.generator import Generator, Graph, read_model
from pipeline.serving.runtime.image_to_image import ImageToImage
from pipeline.serving.runtime.session import median_ms, open_session

Kind = Literal["fp16", "int8"]

WORST = 16
"""How many times the tolerated mean difference one value may have."""
LEVELS = 127.5
"""8-bit levels in one unit of the images' range."""
JUDGED, CALIBRATED, BATCH = 256, 512, 64
TIMED = (1, 64)


@dataclass(frozen=True)
class Quantized:
    """What was written, and how it does beside float32. Differences are of images, in 8-bit levels; times in milliseconds by batch size."""

    path: Path
    provider: str
    max_levels: float
    mean_levels: float
    size_bytes: tuple[int, int]
    latency_ms: Mapping[int, tuple[float, float]]


def quantize(model: Path, output: Path, kind: Kind, tolerance: float) -> Quantized:
    """Writes `model` in fewer bits and measures it. int8 is calibrated on latents, which the graph's inputs are drawn from anyway.

    Raises InputError for a model that cannot be used or turned, and where the mean difference exceeds `tolerance` levels, or the largest
    `WORST` times that; nothing is written then.
    """
    content = read_model(model)
    graph = Graph(model, content)
    opened: Generator | ImageToImage = ImageToImage(graph) if "image" in graph.inputs else Generator(graph)
    if kind == "int8" and isinstance(opened, ImageToImage):
        raise InputError(
            f"{model}: int8 is for graphs that draw from latents: of one that takes pictures nothing says which numbers to expect; use fp16"
        )
    if output.resolve() == model.resolve():
        raise InputError(f"{output}: would be written over its source; give -o another name")
    made = half(content, model) if kind == "fp16" else eighth(content, model, opened)
    session = open_session(made, str(output))
    worst, mean = difference(graph, session, opened)
    if not (mean <= tolerance and worst <= WORST * tolerance):
        raise InputError(
            f"{model}: as {kind} its images differ by {mean:.2f} levels of 255 in the mean and {worst:.1f} at most, more than {tolerance:g} and "
            f"{WORST * tolerance:g}; nothing was written. Keep float32, or allow more with --tolerance"
        )
    timed = {n: tuple(median_ms(one, inputs_of(opened, n)) for one in (graph.session, session)) for n in TIMED}
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(made)
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from None
    return Quantized(output, session.get_providers()[0], worst, mean, (len(content), len(made)), timed)  # type: ignore[arg-type]


def half(content: bytes, model: Path) -> bytes:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with quiet(), failures(model):
        made: bytes = convert_float_to_float16(onnx.load_from_string(content), keep_io_types=True).SerializeToString(
            deterministic=True
        )
    return made


def eighth(content: bytes, model: Path, opened: Generator | ImageToImage) -> bytes:
    """Weights by channel and activations by tensor, their ranges those of `CALIBRATED` draws."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Draws(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches: Iterator[Arrays] = batches(opened, CALIBRATED, seed=1)

        def get_next(self) -> Any:
            return next(self.batches, None)

    with tempfile.TemporaryDirectory() as folder, quiet(), failures(model):
        path = Path(folder) / "int8.onnx"
        quantize_static(
            onnx.load_from_string(content),
            path,
            Draws(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        made = onnx.load(path)
        onnx.helper.set_model_props(made, {one.key: one.value for one in onnx.load_from_string(content).metadata_props})
        fewer: bytes = made.SerializeToString(deterministic=True)
    return fewer


def difference(graph: Graph, session: Any, opened: Generator | ImageToImage) -> tuple[float, float]:
    """The largest and the mean absolute difference of the images, in 8-bit levels; infinite where one is not finite."""
    worst, total, count = 0.0, 0.0, 0
    for inputs in batches(opened, JUDGED, seed=2):
        ours, theirs = (one.run(["images"], inputs)[0].astype(np.float64) for one in (graph.session, session))
        apart = np.abs(np.nan_to_num(theirs, nan=np.inf) - ours) * LEVELS
        worst, total, count = max(worst, float(apart.max())), total + float(apart.sum()), count + apart.size
    return worst, total / count


def batches(opened: Generator | ImageToImage, n: int, seed: int) -> Iterator[Arrays]:
    drawn = inputs_of(opened, n if isinstance(opened, Generator) else BATCH, seed)
    size = len(next(iter(drawn.values())))
    for at in range(0, size, BATCH):
        yield {name: rows[at : at + BATCH] for name, rows in drawn.items()}


def inputs_of(opened: Generator | ImageToImage, n: int, seed: int = 0) -> Arrays:
    return example_inputs(opened.graph.inputs, opened.metadata, n, seed)


@contextlib.contextmanager
def failures(model: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the converters raise anything
        raise InputError(
            f"{model}: cannot be converted ({' '.join(str(error).split())[:200] or type(error).__name__}); keep float32"
        ) from None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The converters print and log about their own internals; errors still raise."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
