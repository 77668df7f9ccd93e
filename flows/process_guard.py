"""Run a command that must not outlive its parent: `python process_guard.py GRACE COMMAND...`

The parent holds the other end of standard input. The pipe closes when the parent ends it or is killed with SIGKILL.
The guard then sends SIGTERM to the command and all its descendants, and SIGKILL after GRACE seconds. Without it,
killing DVC would leave the stage running. Exits with the command's code (128 + n for signal n), or with 143 if the
command was ended early.
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
    """Run `arguments[1:]` until it ends or standard input closes; return the exit code."""
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
    """On Linux, become the new parent of orphaned descendants, so that `list_family` still finds them."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_family(grace: float) -> None:
    """End all descendants and group members: SIGTERM, then SIGKILL until none is left."""
    psutil.wait_procs(signal_all(signal.SIGTERM), timeout=grace)
    while processes := signal_all(signal.SIGKILL):
        psutil.wait_procs(processes, timeout=KILL_SECONDS)


def signal_all(number: signal.Signals) -> list[psutil.Process]:
    """Send a signal to the whole family and return the processes that received it."""
    receivers = []
    for process in list_family():
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
        receivers.append(process)
    return receivers


def list_family() -> list[psutil.Process]:
    """Return the running descendants and members of this process's group.

    The group finds orphans on systems where `adopt_orphans` has no effect.
    """
    own = psutil.Process()
    members = {process.pid: process for process in own.children(recursive=True)}
    for process in psutil.process_iter():
        try:
            if process.pid != own.pid and os.getpgid(process.pid) == own.pid:
                members[process.pid] = process
        except (ProcessLookupError, PermissionError):
            continue
    return [process for process in members.values() if is_alive(process)]


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process runs and is no zombie."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
