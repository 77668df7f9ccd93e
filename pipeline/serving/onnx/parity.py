"""Compare an exported graph with the PyTorch module, and measure its latency."""

from collections.abc import Mapping
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
from pipeline.serving.graph_tensors import graph_tensor
from pipeline.serving.runtime.session import median_ms, open_session

BATCHES = (1, 2, 7, 64)
LATENCY_BATCHES = (1, 64)


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
    """Run the file in ONNX Runtime and the module in PyTorch on the same random inputs.

    Raises InputError naming the batch size and the output if they differ by more than `tolerance` or are not finite.
    """
    session = open_session(path, path.name)
    rng = torch.Generator().manual_seed(0)
    worst = 0.0
    for number, n in enumerate(BATCHES):
        # Graphs for items of any size: another size, not square, for every batch.
        inputs = random_inputs(spec, n, item, rng, enlarge=number)
        with torch.no_grad():
            expected = spec.module(*inputs.values())
        expected = (expected,) if isinstance(expected, Tensor) else expected
        outputs = session.run(list(spec.outputs), {name: tensor.numpy() for name, tensor in inputs.items()})
        for name, ours, theirs in zip(spec.outputs, expected, outputs, strict=True):
            difference = distance(ours.numpy(), theirs)
            if not difference <= tolerance:
                raise InputError(
                    f"{path.name}: output {name!r} at batch {n} differs from PyTorch by {difference:.3g}, more than "
                    f"export.parity_tolerance {tolerance:g}. Raise the tolerance or try another export.opset."
                )
            worst = max(worst, difference)
    latency = {
        n: median_ms(session, {name: tensor.numpy() for name, tensor in random_inputs(spec, n, item, rng).items()})
        for n in LATENCY_BATCHES
    }
    return Parity(worst, latency, session.get_providers()[0])


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
