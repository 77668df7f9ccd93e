"""Does the exported graph compute what PyTorch computes, and how fast?"""

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
from pipeline.serving.runtime.session import median_ms, open_session

BATCHES = (1, 2, 7, 64)
LATENCY_BATCHES = (1, 64)


@dataclass(frozen=True)
class Parity:
    """`max_abs` is the largest difference (see `distance`) over all outputs and batch sizes; `latency_ms` the median by batch size."""

    max_abs: float
    latency_ms: Mapping[int, float]
    provider: str


def check(spec: ExportSpec, path: Path, tolerance: float, classes: int) -> Parity:
    """Runs the file in ONNX Runtime beside the module on the same random inputs.

    Raises InputError naming the batch size and output when they differ by more than `tolerance`, or are not finite.
    """
    session = open_session(path, path.name)
    rng = torch.Generator().manual_seed(0)
    worst = 0.0
    for n in BATCHES:
        # Of any size: another, and not a square, for every batch.
        inputs = example(spec, n, classes, rng, more=BATCHES.index(n))
        with torch.no_grad():
            expected = spec.module(*inputs.values())
        expected = (expected,) if isinstance(expected, Tensor) else expected
        found = session.run(list(spec.outputs), {name: tensor.numpy() for name, tensor in inputs.items()})
        for name, ours, theirs in zip(spec.outputs, expected, found, strict=True):
            difference = distance(ours.numpy(), theirs)
            if not difference <= tolerance:
                raise InputError(
                    f"{path.name}: output {name!r} at batch {n} differs from PyTorch by {difference:.3g}, more than export.parity_tolerance {tolerance:g};"
                    " if that is acceptable raise the tolerance, else try another export.opset"
                )
            worst = max(worst, difference)
    latency = {
        n: median_ms(session, {name: tensor.numpy() for name, tensor in example(spec, n, classes, rng).items()})
        for n in LATENCY_BATCHES
    }
    return Parity(worst, latency, session.get_providers()[0])


def example(spec: ExportSpec, n: int, classes: int, rng: torch.Generator, more: int = 0) -> dict[str, Tensor]:
    """Random inputs: standard normal where the input is a float, a class index where it is an integer.

    Images of any size are higher by `more`, and wider by twice as many, multiples than the spec's own.
    """

    def shape(like: Tensor) -> tuple[int, ...]:
        sides = (
            (like.shape[2] + more * spec.multiple, like.shape[3] + 2 * more * spec.multiple) if like.ndim == 4 else ()
        )
        return (n, *(like.shape[1:2] if sides else like.shape[1:]), *sides)

    return {
        name: torch.randn(shape(like), generator=rng, dtype=like.dtype)
        if like.is_floating_point()
        else torch.randint(max(classes, 1), shape(like), generator=rng, dtype=like.dtype)
        for name, like in spec.inputs.items()
    }


def distance(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> float:
    """Largest absolute difference, in units of `ours`' largest value where that exceeds 1: features, unlike images, have any scale.

    Infinite for another shape, NaN where either side is NaN.
    """
    if ours.shape != theirs.shape:
        return float("inf")
    exact = ours.astype(np.float64)
    return float(np.abs(exact - theirs.astype(np.float64)).max(initial=0.0) / np.abs(exact).max(initial=1.0))
