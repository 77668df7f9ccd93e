"""Compare an exported graph with the PyTorch module, and measure its latency."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.gans.base import ExportSpec
from pipeline.items import ItemSpec
from pipeline.media.registry import find_medium
from pipeline.serving.graph_tensors import graph_tensor
from pipeline.serving.runtime.session import median_ms, open_session

BATCHES = (1, 2, 7, 64)
LATENCY_BATCHES = (1, 64)
EXTREME_BATCH = 2
FURTHER_TOLERANCE = 0.01
"""Outputs that the medium adds may take many steps, in which rounding errors grow."""
LARGE = 100.0
"""Factor of large inputs. Rounding errors grow with the inputs, and the tolerance with them."""


@dataclass(frozen=True)
class Parity:
    """Result of the comparison.

    Attributes:
        max_abs: Largest difference over all outputs and batch sizes; see `distance`.
        latency_ms: Median latency by batch size.
        provider: The ONNX Runtime provider that was used.
    """

    max_abs: float
    latency_ms: Mapping[int, float]
    provider: str


def check_parity(spec: ExportSpec, path: Path, tolerance: float, item: ItemSpec) -> Parity:
    """Run the file in ONNX Runtime and the module in PyTorch on the same inputs: random and extreme ones.

    Raises InputError naming the input and the output if they differ by more than `tolerance` or are not finite.
    """
    session = open_session(path, path.name)
    rng = torch.Generator().manual_seed(0)
    worst = 0.0
    for number, n in enumerate(BATCHES):
        # Graphs for items of any size: another size, not square, for every batch.
        inputs = random_inputs(spec, n, item, rng, enlarge=number)
        worst = max(worst, compare(spec, session, inputs, f"{path.name} at batch {n}", tolerance))
        compare_further_outputs(spec, session, inputs, f"{path.name} at batch {n}", item)
    for kind, inputs in extreme_inputs(spec, item):
        compare(spec, session, inputs, f"{path.name} with {kind} inputs", tolerance * slack(kind, inputs))
        compare_further_outputs(spec, session, inputs, f"{path.name} with {kind} inputs", item)
    latency = {
        n: median_ms(session, {name: tensor.numpy() for name, tensor in random_inputs(spec, n, item, rng).items()})
        for n in LATENCY_BATCHES
    }
    return Parity(worst, latency, session.get_providers()[0])


def slack(kind: str, inputs: Mapping[str, Tensor]) -> float:
    """Return the factor of the tolerance for a kind of extreme inputs.

    Instance normalisation divides a constant image by its spread, which is rounding error alone. Two runtimes differ
    there, so the outputs for zero images only have to be finite.
    """
    if kind == "zero" and any(value.ndim == 4 for value in inputs.values()):
        return sys.float_info.max
    return LARGE if kind == "large" else 1.0


def compare(spec: ExportSpec, session: Any, inputs: Mapping[str, Tensor], what: str, tolerance: float) -> float:
    """Return the largest `distance` of the outputs for these inputs.

    Raises InputError that begins with `what` if it exceeds `tolerance` or a value is not finite.
    """
    with torch.no_grad():
        expected = spec.module(*inputs.values())
    expected = (expected,) if isinstance(expected, Tensor) else expected
    outputs = session.run(list(spec.outputs), {name: tensor.numpy() for name, tensor in inputs.items()})
    worst = 0.0
    for name, ours, theirs in zip(spec.outputs, expected, outputs, strict=True):
        if not ours.isfinite().all():
            raise InputError(
                f"{what}: output {name!r} of the PyTorch network is not finite. Train again, for example with lower "
                "learning rates: `dvc repro -f train`."
            )
        difference = distance(ours.numpy(), theirs)
        if not difference <= tolerance:
            raise InputError(
                f"{what}: output {name!r} differs from PyTorch by {difference:.3g}, more than {tolerance:g} "
                "(export.parity_tolerance). Raise the tolerance or try another export.opset."
            )
        worst = max(worst, difference)
    return worst


def compare_further_outputs(
    spec: ExportSpec, session: Any, inputs: Mapping[str, Tensor], what: str, item: ItemSpec
) -> None:
    """Compare the outputs that the medium added to a generator with what it computes from the items itself.

    Raises InputError that begins with `what` if they differ by more than `FURTHER_TOLERANCE` or are not finite.
    """
    medium = find_medium(item.medium)
    # What a vocoder made was compared like every other output of a network.
    names = [name for name in medium.further_outputs(item) if name not in spec.outputs]
    output = medium.output_name(item)
    if not names or output not in spec.outputs:
        return
    values, *theirs = session.run([output, *names], {name: tensor.numpy() for name, tensor in inputs.items()})
    ours = medium.compute_outputs(values, item)
    for name, other in zip(names, theirs, strict=True):
        difference = distance(ours[name], other)
        if not difference <= FURTHER_TOLERANCE:
            raise InputError(
                f"{what}: output {name!r} differs from what {medium.name} computes by {difference:.3g}, more than "
                f"{FURTHER_TOLERANCE:g}. Try another export.opset."
            )


def extreme_inputs(spec: ExportSpec, item: ItemSpec) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield inputs at the edge of what is allowed, with their kind.

    Zeros replace unlimited floats and items; large inputs lie at their limits, or are `LARGE` times a normal sample if
    they have none; repeated inputs are equal rows.
    """
    inputs = random_inputs(spec, EXTREME_BATCH, item, torch.Generator().manual_seed(1))

    def limits(name: str) -> tuple[float, float] | None:
        tensor = graph_tensor(name, item)
        return tensor.limits(item) if tensor else None

    def zeros(name: str, value: Tensor) -> Tensor:
        edges = limits(name)
        return value if edges and edges[0] >= 0 else torch.zeros_like(value)

    def large(name: str, value: Tensor) -> Tensor:
        edges = limits(name)
        if edges is None:
            return value * LARGE
        low, high = (torch.full_like(value, edge) for edge in edges)
        return high if edges[0] >= 0 else torch.where(value > 0, high, low)

    yield "zero", {name: zeros(name, value) for name, value in inputs.items()}
    yield "large", {name: large(name, value) for name, value in inputs.items()}
    yield "repeated", {name: value[:1].repeat_interleave(EXTREME_BATCH, dim=0) for name, value in inputs.items()}


def random_inputs(
    spec: ExportSpec, n: int, item: ItemSpec, rng: torch.Generator, *, enlarge: int = 0
) -> dict[str, Tensor]:
    """Return random inputs: standard normal floats, uniform integers within the limits of the table.

    Items of any size are `enlarge` multiples higher and twice as many wider than in `spec`.
    """

    def shape(like: Tensor) -> tuple[int, ...]:
        if like.ndim != 4:
            return (n, *like.shape[1:])
        channels, height, width = like.shape[1:]
        return n, channels, height + enlarge * spec.multiple, width + 2 * enlarge * spec.multiple

    def draw(name: str, like: Tensor) -> Tensor:
        if like.is_floating_point():
            return torch.randn(shape(like), generator=rng, dtype=like.dtype)
        tensor = graph_tensor(name, item)
        low, high = (tensor.limits(item) if tensor else None) or (0, 0)
        return torch.randint(int(low), int(high) + 1, shape(like), generator=rng, dtype=like.dtype)

    return {name: draw(name, like) for name, like in spec.inputs.items()}


def distance(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> float:
    """Return the largest absolute difference, divided by the largest value of `ours` if that exceeds 1.

    Images lie in [-1, 1]; features may have any scale. Infinite if the shapes differ, NaN if a value is NaN.
    """
    if ours.shape != theirs.shape:
        return float("inf")
    exact = ours.astype(np.float64)
    return float(np.abs(exact - theirs.astype(np.float64)).max(initial=0.0) / np.abs(exact).max(initial=1.0))
