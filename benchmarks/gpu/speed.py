"""Images a second of the training loop: as usual, with CUDA graphs, and with compiled networks."""

import torch

from benchmarks.gpu.machine import Machine, NotMeasured, Values
from benchmarks.gpu.models import Silent, build_trainer
from pipeline.training.loop import Trainer

RUNS_TO_CAPTURE = 5
"""Runs of a phase until its graph is captured and verified."""


def run_step(trainer: Trainer) -> None:
    """Run one step as `Trainer.run` does, without rows, previews and checkpoints."""
    for phase in trainer.phases:
        if trainer.step % phase.every == 0 and trainer.fraction >= phase.start:
            trainer.update(phase, measure=False)
    trainer.step += 1
    trainer.images_seen += trainer.settings.batch_size
    half_life = trainer.settings.ema_half_life.at(trainer.fraction)
    trainer.ema.update(half_life, trainer.images_seen, trainer.settings.batch_size)


def warm_up(trainer: Trainer) -> None:
    """Run every phase until it is captured, if it can be, also those that are due in few steps only."""
    for _ in range(RUNS_TO_CAPTURE):
        for phase in trainer.phases:
            trainer.update(phase, measure=False)
        trainer.step += 1


def measure(machine: Machine, name: str, way: str, **train: object) -> dict[str, object]:
    """Return images per second of a model, and what of it was captured."""
    observer = Silent()
    trainer = build_trainer(machine, name, observer, **train)
    for key, network in trainer.gan.named_children():
        if way == "compiled" or (way == "compiled generator" and key == "generator"):
            network.compile()
    try:
        warm_up(trainer)
        speed = machine.rate(lambda: run_step(trainer)) * trainer.settings.batch_size
    finally:
        trainer.graphs.close()
    machine.speeds[name, way] = speed
    return {"images_per_second": speed, "messages": "; ".join(observer.notes + observer.warnings)}


def measure_eager(machine: Machine, name: str) -> Values:
    """Measure without graphs; compare with the bare loop."""
    return measure(machine, name, "eager") | ratio(machine, name, "eager", "bare")


def measure_graphs(machine: Machine, name: str) -> Values:
    """Measure with graphs; compare with a training without them."""
    machine.require_cuda()
    return measure(machine, name, "graphs", graphs="on") | ratio(machine, name, "graphs", "eager")


def measure_compiled(machine: Machine, name: str) -> Values:
    """Measure with `torch.compile`; compare with a training without it.

    torch refuses compiled networks in double backward passes. If that happens, only the generator is compiled.
    """
    if machine.small:
        raise NotMeasured("takes minutes on a CPU; leave out --small")
    try:
        values = measure(machine, name, "compiled") | {"compiled": "all networks"}
    except RuntimeError as error:
        torch.compiler.reset()
        values = measure(machine, name, "compiled generator") | {"compiled": "generator"}
        values["all_networks"] = str(error).splitlines()[0][:120]
        machine.speeds[name, "compiled"] = machine.speeds[name, "compiled generator"]
    return values | ratio(machine, name, "compiled", "eager")


def measure_precision(machine: Machine, name: str) -> Values:
    """Measure in float32 and in bfloat16."""
    speeds = {
        precision: measure(machine, name, precision, precision=precision)["images_per_second"]
        for precision in ("float32", "bfloat16")
    }
    return speeds | ratio(machine, name, "bfloat16", "float32")


def ratio(machine: Machine, name: str, way: str, other: str) -> dict[str, float]:
    """Return how many times as fast one way is as another one, if both were measured."""
    if (name, way) not in machine.speeds or (name, other) not in machine.speeds:
        return {}
    return {f"times_{other}": machine.speeds[name, way] / machine.speeds[name, other]}
