"""Real shortage of memory: a training that does not fit continues with smaller micro-batches."""

import gc

import torch

from benchmarks.gpu.machine import Machine, Values
from benchmarks.gpu.models import MODELS, Silent, build_trainer
from benchmarks.gpu.speed import run_step, warm_up

FACTOR = 8
"""Batch size of this row over that of the others, so that activations dominate."""

SHARE = 0.6
"""Of the memory that the training needs, what it gets."""


def measure_shortage(machine: Machine, name: str) -> Values:
    """Limit the memory below the need of a batch, and train; report what the training says and does."""
    machine.require_cuda()
    batch = FACTOR * MODELS[name].batch
    torch.cuda.reset_peak_memory_stats(machine.device)
    run_step(build_trainer(machine, name, Silent(), batch_size=batch))
    machine.wait()
    need, total = torch.cuda.max_memory_reserved(machine.device), torch.cuda.mem_get_info(machine.device)[1]
    gc.collect()
    torch.cuda.empty_cache()
    observer = Silent()
    torch.cuda.set_per_process_memory_fraction(SHARE * need / total, machine.device)
    try:
        trainer = build_trainer(machine, name, observer, batch_size=batch, graphs="auto")
        warm_up(trainer)
        run_step(trainer)
        trainer.graphs.close()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, machine.device)
        torch.cuda.empty_cache()
    return {
        "needed_gib": need / 2**30,
        "given_gib": SHARE * need / 2**30,
        "batch": batch,
        "micro_batch": trainer.accumulator.micro_batch,
        "handled": trainer.accumulator.micro_batch < batch,
        "messages": "; ".join(observer.notes + observer.warnings),
    }
