"""A bare loop by hand with the same losses and batches, and its share of the device's peak."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks.gpu.machine import Machine, Values
from benchmarks.gpu.models import batch_size, build_batches, build_model
from pipeline import memory_format
from pipeline.gans.base import Progress
from pipeline.training.device import pick_precision


class OperationCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the floating-point operations of products and convolutions, as torch's FlopCounterMode does.

    That one follows modules, which fails in a gradient of a gradient.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0.0

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run and count an operation."""
        result = operation(*args, **(kwargs or {}))
        count = flop_registry.get(operation._overloadpacket)
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=result)
        return result


class BareLoop:
    """Batches, losses, Adam and an average of the weights, and nothing else."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.gan = memory_format.channels_last(build_model(machine, name).to(machine.device)).train()
        self.phases, self.size = self.gan.phases(), batch_size(machine, name)
        self.batches = build_batches(machine, name, self.gan)
        self.rng = torch.Generator(machine.device).manual_seed(0)
        self.adams = {
            network: torch.optim.Adam(self.gan.get_submodule(network).parameters(), 2e-4, (0.5, 0.999), fused=True)
            for phase in self.phases
            for network in phase.networks
        }
        self.weights: list[Tensor] = [
            p for network in self.gan.ema_networks for p in self.gan.get_submodule(network).parameters()
        ]
        self.averages = [p.detach().clone() for p in self.weights]
        self.dtype, self.kind, self.step = pick_precision("auto", machine.device, print), machine.device.type, 0

    def run_step(self, *, all_phases: bool = False) -> None:
        """Run the phases that are due, or all."""
        progress = Progress(self.step, 0.5)
        for phase in self.phases:
            if not all_phases and self.step % phase.every:
                continue
            for name, network in self.gan.named_children():
                network.requires_grad_(name in phase.networks)
            for name in phase.networks:
                self.adams[name].zero_grad(set_to_none=True)
            half = self.dtype is torch.bfloat16
            with torch.autocast(self.kind, torch.bfloat16) if half else nullcontext():
                loss = phase.loss(self.batches.next(self.size), progress, self.rng)
            torch.autograd.backward(loss.total)
            for name in phase.networks:
                self.adams[name].step()
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, self.weights, 0.01)
        self.step += 1

    def operations(self) -> float:
        """Return the floating-point operations of an average step."""
        total = 0.0
        for phase in self.phases:
            self.phases, kept = [phase], self.phases
            with OperationCounter() as counter:
                self.run_step(all_phases=True)
            self.phases = kept
            total += counter.total / phase.every
        return total


def measure_bare(machine: Machine, name: str) -> Values:
    """Return images per second of the bare loop, and its share of the peak of matrix products."""
    loop = BareLoop(machine, name)
    loop.run_step(all_phases=True)
    operations = loop.operations()
    steps = machine.rate(loop.run_step)
    precision = "bfloat16" if loop.dtype is torch.bfloat16 else "float32"
    machine.speeds[name, "bare"] = steps * loop.size
    peak = {"share_of_peak": steps * operations / machine.peaks[precision]} if precision in machine.peaks else {}
    return {
        "images_per_second": steps * loop.size,
        "teraflops": steps * operations / 1e12,
        "precision": precision,
        "batch": loop.size,
        **peak,
    }
