"""What both benchmarks share: a training without files, and how results are written down."""

import platform
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.gans.base import GAN
from pipeline.training.loop import Batches, Row, Trainer
from pipeline.training.settings import TrainSettings

NEVER = 10**12
"""Images after which a snapshot or a checkpoint would be made."""


class Watcher:
    """Tells `advanced` how many images have been seen; shows nothing else."""

    def __init__(self, tell: Callable[[int], object]) -> None:
        self.tell = tell

    def advanced(self, images_seen: int) -> None:
        self.tell(images_seen)

    def measured(self, row: Row) -> None:
        pass

    def snapshot(self, images_seen: int, images: Tensor) -> None:
        pass

    def warned(self, message: str) -> None:
        print(message)


def train(
    gan: GAN,
    batches: Batches,
    settings: TrainSettings,
    device: torch.device,
    tell: Callable[[int], object] = lambda _: None,
) -> Trainer:
    """Trains to the end with the project's own loop; its `average` and `seconds` are what counts afterwards."""
    quiet = settings.model_copy(update={"snapshot_images": NEVER, "checkpoint_images": NEVER})
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(gan, batches, quiet, device, Path(folder), Watcher(tell), samples=2)
        trainer.run()
    return trainer


def single_threaded() -> None:
    """Networks this small are slower on two threads than on one; the processor's cores take a run each."""
    torch.set_num_threads(1)


def spread(values: Sequence[float], digits: int) -> str:
    """Mean and, of several values, the standard deviation between them."""
    text = f"{np.mean(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ± {np.std(values, ddof=1):.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; all columns but the first are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def machine(device: torch.device, threads: str) -> str:
    """Where the numbers were made, in a line."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{processor()}, {threads}"
    return f"{name}; torch {torch.__version__}, Python {platform.python_version()}"


def processor() -> str:
    """The processor's name as Linux knows it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write(folder: Path, name: str, text: str) -> None:
    """Prints a result and keeps it as `folder`/`name`.md."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    print(text)
