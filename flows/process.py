"""Run child processes of a flow: behind a guard, read line by line, and ended with the flow."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from flows import process_guard
from pipeline.telemetry import OFF

STAGE_GRACE_SECONDS = 10.0


class GuardedProcess:
    """A command that runs in its own session. Leaving the `with` block ends it and everything it started.

    Args:
        command: Program and arguments.
        folder: Working directory.
        grace: Seconds between SIGTERM and SIGKILL.
        capture: Read standard output and error through `chunks`; if False, the command inherits both.
        settings: Variables added to the environment.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        grace: float = STAGE_GRACE_SECONDS,
        capture: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.grace = grace
        # By file, so that the guard is this flow's version whatever `folder` holds. -P keeps `folder` off sys.path.
        self.process = subprocess.Popen(
            [sys.executable, "-P", process_guard.__file__, str(grace), *command],
            cwd=folder,
            env=child_environment() | dict(settings or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.STDOUT if capture else None,
            start_new_session=True,
        )

    def __enter__(self) -> "GuardedProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def chunks(self) -> Iterator[bytes]:
        """Yield the command's output as it arrives, until the command ends."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        ended = False
        while True:
            # A process that escaped could hold the pipe open, so reading stops once the guard has ended.
            if select.select([descriptor], [], [], 0 if ended else 1.0)[0]:
                if not (data := os.read(descriptor, 65536)):
                    return
                yield data
            elif ended:
                return
            else:
                ended = self.process.poll() is not None

    def wait(self) -> int:
        """Wait for the command and return its exit code (128 + n for signal n)."""
        return self.process.wait()

    def end(self) -> None:
        """End the command and its descendants. Does nothing if they have ended."""
        assert self.process.stdin is not None
        try:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(self.grace + process_guard.KILL_SECONDS)
        finally:
            # The guard was killed, it hangs, or a second Ctrl-C arrived: kill its group.
            if self.process.poll() is None or self.process.returncode < 0:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.process.pid, signal.SIGKILL)
            if self.process.stdout is not None:
                self.process.stdout.close()


def run_command(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a short command without standard input, and return its exit code, output and errors."""
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def child_environment() -> dict[str, str]:
    """Return this environment for a child: the virtual environment first on PATH, unbuffered output, no Prefect run.

    The variables `PREFECT__...` name the run of the current process. A child that uses Prefect would join that run.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT__")}
    path = os.pathsep.join([str(Path(sys.executable).parent), *filter(None, [inherited.get("PATH")])])
    return OFF | inherited | {"PATH": path, "PYTHONUNBUFFERED": "1"}
