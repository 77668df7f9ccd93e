"""Shared by both benchmarks: training without output files, and formatting of results."""

import platform
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.gans.base import GAN
from pipeline.training.loop import Trainer
from pipeline.training.protocols import Batches, Row
from pipeline.training.settings import TrainSettings

NEVER = 10**12
"""Interval in images of snapshots and checkpoints, which are not needed."""


class Watcher:
    """Training observer that reports progress only."""

    def __init__(self, report: Callable[[int], object]) -> None:
        self.report = report

    def on_step(self, images_seen: int) -> None:
        self.report(images_seen)

    def on_row(self, row: Row) -> None:
        pass

    def on_snapshot(self, images_seen: int, images: Tensor) -> None:
        pass

    def on_note(self, message: str) -> None:
        print(message)

    def on_warning(self, message: str) -> None:
        print(message)


def train(
    gan: GAN,
    batches: Batches,
    settings: TrainSettings,
    device: torch.device,
    report: Callable[[int], object] = lambda _: None,
) -> Trainer:
    """Train with the project's own loop; the result is in the trainer's `ema` and `seconds`."""
    settings = settings.model_copy(update={"snapshot_images": NEVER, "checkpoint_images": NEVER})
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            gan, batches, settings, device=device, folder=Path(folder), observer=Watcher(report), preview_samples=2
        )
        trainer.run()
    return trainer


def use_one_thread() -> None:
    """Use one thread per process: networks this small are slower on two."""
    torch.set_num_threads(1)


def spread(values: Sequence[float], digits: int) -> str:
    """Format the mean of the values and, if there are several, their standard deviation."""
    text = f"{np.mean(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ± {np.std(values, ddof=1):.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table; all columns but the first are right-aligned."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def machine(device: torch.device, threads: str) -> str:
    """Describe the machine in one line."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{processor()}, {threads}"
    return f"{name}; torch {torch.__version__}, Python {platform.python_version()}"


def processor() -> str:
    """Return the CPU model as Linux reports it, else the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write(folder: Path, name: str, text: str) -> None:
    """Write a result to `folder`/`name`.md."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8")
