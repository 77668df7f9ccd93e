"""Where the rows are measured, and with which sizes."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

Values = Mapping[str, Any]
"""What a row reports: numbers and text by name."""


class NotMeasured(Exception):
    """This machine cannot measure a row; the message says why."""


@dataclass
class Machine:
    """A device and what is known of it.

    Attributes:
        device: Where to measure.
        small: Tiny networks and few repetitions, to see that everything runs.
        folder: A temporary folder.
        peaks: Operations per second of a large matrix product, by precision.
        speeds: Images per second, by model and way of training.
    """

    device: torch.device
    small: bool
    folder: Path
    peaks: dict[str, float] = field(default_factory=dict)
    speeds: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def is_cuda(self) -> bool:
        """Whether the device is a GPU of NVIDIA."""
        return self.device.type == "cuda"

    def require_cuda(self) -> None:
        """Raise NotMeasured on other devices."""
        if not self.is_cuda:
            raise NotMeasured("needs a CUDA device")

    def wait(self) -> None:
        """Wait until the device has done everything."""
        if self.is_cuda:
            torch.cuda.synchronize(self.device)

    def rate(self, action: Callable[[], object]) -> float:
        """Return how often a second `action` runs: the median of three rounds of a second, after one run."""
        action()
        rounds, least = (1, 0.0) if self.small else (3, 1.0)
        rates = []
        for _ in range(rounds):
            self.wait()
            began, count = time.perf_counter(), 0
            while count < 2 or time.perf_counter() - began < least:
                action()
                count += 1
                if count % 16 == 0:
                    self.wait()  # so that no queue of launches hides the time
            self.wait()
            rates.append(count / (time.perf_counter() - began))
        return statistics.median(rates)

    def seconds(self, action: Callable[[], object]) -> float:
        """Return how long one run of `action` takes."""
        self.wait()
        began = time.perf_counter()
        action()
        self.wait()
        return time.perf_counter() - began
