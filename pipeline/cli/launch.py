"""Start a stage in several processes on this machine (GANLINE_PROCESSES)."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping

from pipeline.errors import InputError

VARIABLE = "GANLINE_PROCESSES"
GRACE_SECONDS = 5.0
"""From the end of one process until the others are killed."""


def wanted_processes(environment: Mapping[str, str]) -> int:
    """Return how many processes to start; 1 if torchrun has started this one.

    Raises:
        InputError: GANLINE_PROCESSES is not a number from 1.
    """
    text = environment.get(VARIABLE) or "1"
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"{VARIABLE} must be a number of processes from 1, not {text!r}")
    return 1 if "WORLD_SIZE" in environment else int(text)


def run_processes(count: int, *arguments: str) -> int:
    """Run `python -m pipeline ARGUMENTS` in `count` processes, as torchrun does on one machine.

    Signals are passed on. If a process fails, the others get SIGTERM, and are killed if they do not end.

    Returns:
        0, or the exit code of the first process that failed.
    """
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_free_port())}
    command = [sys.executable, "-m", "pipeline", *arguments]
    children = [
        subprocess.Popen(command, env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(count)
    ]

    def pass_on(number: int, _frame: object) -> None:
        for child in children:
            child.send_signal(number)

    # Ctrl-C reaches all processes of a terminal, so the children have it already.
    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return wait_for_all(children)


def wait_for_all(children: list["subprocess.Popen[bytes]"]) -> int:
    """Wait until all processes have ended, and end them if one fails; return the exit code."""
    code, deadline = 0, 0.0
    while any(child.poll() is None for child in children):
        failed = next((child.returncode for child in children if child.returncode not in (None, 0)), 0)
        if failed and not code:
            code, deadline = failed, time.monotonic() + GRACE_SECONDS
            for child in children:
                child.terminate()
        if code and time.monotonic() > deadline:
            for child in children:
                child.kill()
        time.sleep(0.05)
    code = code or next((child.returncode for child in children if child.returncode), 0)
    return code if code >= 0 else 128 - code


def find_free_port() -> int:
    """Return a port on which nothing listens now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
