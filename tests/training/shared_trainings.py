"""Small trainings in float64 in one of several processes; the code of the children of test_processes.py."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

from pipeline import processes
from pipeline.training import checkpoint
from pipeline.training.loop import Stopped
from tests.observer import Watcher
from tests.training.small_trainings import MODELS, build_trainer


def load_newest(folder: Path) -> checkpoint.State | None:
    return checkpoint.load_latest(folder)[0]


def train(names: list[str], folder: Path, total: int, stop_at: int, batch: int) -> None:
    """Train models, from their checkpoints if there are any; write the weights to `folder`/weights.pt."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    patched: Any = torch
    patched.float32, patched.Tensor.float = torch.float64, torch.Tensor.double
    processes.join()
    results = {}
    for name in names:
        trainer = build_trainer(MODELS[name], folder / name, Watcher(stop_at), total, batch_size=batch, log_images=48)
        saved = processes.from_first(partial(load_newest, folder / name))
        if saved:
            trainer.restore(saved)
        with suppress(Stopped):
            trainer.run()
        results[name] = {"weights": trainer.gan.state_dict(), "row": trainer.history[-1] if trainer.history else {}}
    if processes.is_first():
        torch.save(results, folder / "weights.pt")
    processes.leave()
