"""Runs a command that must not outlive whoever started it: `python -m flows.guard GRACE COMMAND...`

The starter holds the other end of this process's standard input. When that pipe closes, for whatever
reason (the starter ended it, or was killed with SIGKILL and could do nothing), the command and everything it
started is told to end, and killed GRACE seconds later. DVC, killed alone, would leave its stage running.
Exits with the command's own code (128 + n for signal n), or 143 when it was ended early.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from types import FrameType

import psutil  # type: ignore[import-untyped]

POLL_SECONDS = 0.05
KILL_SECONDS = 5.0
PR_SET_CHILD_SUBREAPER = 36


def main(arguments: list[str]) -> int:
    """Runs `arguments[1:]` until it ends or standard input closes."""
    grace, command = float(arguments[0]), arguments[1:]
    adopt_orphans()
    stop = False

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal stop
        stop = True

    # Handlers, not SIG_IGN: an ignored signal would stay ignored in the command.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: cannot be started: {error.strerror}\n")
        return 127
    while (code := child.poll()) is None and not stop:
        readable, _, _ = select.select([sys.stdin], [], [], POLL_SECONDS)
        stop = stop or bool(readable and not os.read(sys.stdin.fileno(), 4096))
    end_family(grace)
    if code is None:
        return 128 + signal.SIGTERM
    return code if code >= 0 else 128 - code


def adopt_orphans() -> None:
    """On Linux, a grandchild whose parent dies becomes this process's child, so that it can still be found."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_family(grace: float) -> None:
    """Ends every process below this one or in its group: SIGTERM, then SIGKILL until none is left."""
    psutil.wait_procs(signal_all(signal.SIGTERM), timeout=grace)
    while processes := signal_all(signal.SIGKILL):
        psutil.wait_procs(processes, timeout=KILL_SECONDS)


def signal_all(number: signal.Signals) -> list[psutil.Process]:
    """Sends a signal to the whole family and returns who was there."""
    found = []
    for process in family():
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
        found.append(process)
    return found


def family() -> list[psutil.Process]:
    """Descendants, and members of this process's group (where orphans go to init instead), that still run."""
    own = psutil.Process()
    members = {process.pid: process for process in own.children(recursive=True)}
    for process in psutil.process_iter():
        try:
            if process.pid != own.pid and os.getpgid(process.pid) == own.pid:
                members[process.pid] = process
        except (ProcessLookupError, PermissionError):
            continue
    return [process for process in members.values() if alive(process)]


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
