"""The rows of the benchmark, most important ones first."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from benchmarks.gpu.bare import measure_bare
from benchmarks.gpu.distances import measure_evaluation, measure_fid
from benchmarks.gpu.hardware import describe, measure_peak
from benchmarks.gpu.machine import Machine, Values
from benchmarks.gpu.memory import measure_shortage
from benchmarks.gpu.models import MODELS
from benchmarks.gpu.onnx_runtime import measure_provider
from benchmarks.gpu.repeatable import measure_repeatable
from benchmarks.gpu.speed import measure_compiled, measure_eager, measure_graphs, measure_precision


class Step(NamedTuple):
    """A row to measure, and the seconds that it needs on a GPU, roughly."""

    name: str
    seconds: float
    measure: Callable[[Machine], Values]


def plan() -> list[Step]:
    """Return all rows in their order."""
    ways = (("bare loop", measure_bare), ("eager", measure_eager), ("graphs", measure_graphs))
    return [
        Step("device", 2, describe),
        Step("peak of matrix products", 8, measure_peak),
        *(Step(f"{name}, {way}", 7, partial(run, measure, name)) for name in MODELS for way, measure in ways),
        *(Step(f"{name}, same bits", 10, partial(run, measure_repeatable, name)) for name in MODELS),
        Step("dcgan-64, precision", 14, partial(run, measure_precision, "dcgan-64")),
        Step("dcgan-64, out of memory", 10, partial(run, measure_shortage, "dcgan-64")),
        Step("FID of 10,000 samples", 25, measure_fid),
        Step("evaluation", 40, measure_evaluation),
        Step("ONNX Runtime, CUDA", 20, partial(run, measure_provider, "CUDAExecutionProvider")),
        *(Step(f"{name}, compiled", 40, partial(run, measure_compiled, name)) for name in MODELS),
        Step("ONNX Runtime, TensorRT", 40, partial(run, measure_provider, "TensorrtExecutionProvider")),
        Step("ONNX Runtime, CPU", 15, partial(run, measure_provider, "CPUExecutionProvider")),
    ]


def run(measure: Callable[[Machine, str], Values], name: str, machine: Machine) -> Values:
    """Measure a row of a model or of a provider."""
    return measure(machine, name)
