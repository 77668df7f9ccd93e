"""Are the bits the same: with and without CUDA graphs, and after a resume in the middle?"""

import torch
from torch import Tensor

from benchmarks.gpu.machine import Machine, Values
from benchmarks.gpu.models import Silent, build_trainer
from benchmarks.gpu.speed import run_step
from pipeline.training import checkpoint
from pipeline.training.determinism import deterministic_algorithms
from pipeline.training.loop import Trainer

STEPS = 25
"""Steps before and after the resume."""


def measure_repeatable(machine: Machine, name: str) -> Values:
    """Train with deterministic algorithms: 2 N steps as usual, and N + N steps with graphs and a checkpoint between."""
    steps = 6 if machine.small else STEPS
    graphs = "on" if machine.is_cuda else "off"
    with deterministic_algorithms(True):
        ordinary = build_trainer(machine, name, Silent())
        run_steps(ordinary, 2 * steps)
        first, observer = build_trainer(machine, name, Silent(), graphs=graphs), Silent()
        run_steps(first, steps)
        checkpoint.save(first.folder, first.images_seen, first.state())
        first.graphs.close()
        state, _ = checkpoint.load_latest(first.folder)
        assert state is not None
        second = build_trainer(machine, name, observer, graphs=graphs)
        second.restore(state)
        run_steps(second, steps)
        second.graphs.close()
    expected, found = tensors(ordinary), tensors(second)
    different = [key for key in expected if not torch.equal(expected[key], found[key])]
    return {
        "steps": 2 * steps,
        "graphs": graphs,
        "same_bits": not different,
        "largest_difference": max((difference(expected[key], found[key]) for key in different), default=0.0),
        "messages": "; ".join(observer.notes + observer.warnings),
    }


def run_steps(trainer: Trainer, steps: int) -> None:
    """Run steps of the loop."""
    for _ in range(steps):
        run_step(trainer)


def tensors(trainer: Trainer) -> dict[str, Tensor]:
    """Return the weights, the averages and the state of the random numbers."""
    averages = {f"ema {a} {b}": value for a, state in trainer.ema.state().items() for b, value in state.items()}
    return {**trainer.gan.state_dict(), **averages, "rng": trainer.rng.get_state()}


def difference(a: Tensor, b: Tensor) -> float:
    """Return the largest difference of two tensors."""
    return float((a.double() - b.double()).abs().max())
