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
from tests.training.tape import TapeRecorder


def load_newest(folder: Path) -> checkpoint.State | None:
    return checkpoint.load_latest(folder)[0]


def train(names: list[str], folder: Path, total: int, stop_at: int, batch: int, replays: bool) -> None:
    """Train models, from their checkpoints if there are any; write the weights to `folder`/weights.pt.

    With `replays` train each model also with phases that are recorded and replayed.
    """
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    patched: Any = torch
    patched.float32, patched.Tensor.float = torch.float64, torch.Tensor.double
    processes.join()
    results = {}
    for name in names:
        for title in (name, f"{name} replayed") if replays else (name,):
            watcher = Watcher(stop_at)
            trainer = build_trainer(MODELS[name], folder / title, watcher, total, batch_size=batch, log_images=48)
            if title != name:
                trainer.graphs.recorder = TapeRecorder(trainer)
            saved = processes.from_first(partial(load_newest, folder / title))
            if saved:
                trainer.restore(saved)
            with suppress(Stopped):
                trainer.run()
            row = trainer.history[-1] if trainer.history else {}
            results[title] = {"weights": trainer.gan.state_dict(), "row": row, "notes": watcher.notes}
    if processes.is_first():
        torch.save(results, folder / "weights.pt")
    processes.leave()
