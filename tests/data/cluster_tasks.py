"""Functions that run on the workers of a cluster; both sides import them by this file's name."""

import os
import signal
from pathlib import Path

from pipeline.errors import InputError


def process_number(_: object) -> int:
    return os.getpid()


def double(number: int) -> int:
    return 2 * number


def die_once(number: int, marker: str) -> int:
    """Kill the worker that runs task 20, the first time."""
    path = Path(marker)
    if number == 20 and not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die(_: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def fail(number: int) -> int:
    raise InputError(f"task {number} is wrong")
