"""Wait for conditions and processes in tests, whatever the speed of the machine."""

import socket
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import psutil  # type: ignore[import-untyped]

WAIT_SECONDS = 600.0
"""Limit of one wait. Only a hang reaches it: a machine ten times slower must not."""

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str | Callable[[], object], pause: float = 0.05) -> T:
    """Poll `condition` until it is true, and return its value. Fail with `what` after WAIT_SECONDS."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited in vain: {what() if callable(what) else what}"
        time.sleep(pause)
    return value


def list_running(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return those of `processes` that still run; a new process with the same number does not count."""

    def runs(process: psutil.Process) -> bool:
        try:
            return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    return [process for process in processes if runs(process)]


def find_free_port() -> int:
    """Return a loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
