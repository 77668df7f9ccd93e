"""Child processes of a flow: started behind a guard, read line by line, gone when the flow is gone."""

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


class Guarded:
    """A running command in a session of its own. Leaving the `with` block ends it and all it started.

    `grace` is the time in seconds between SIGTERM and SIGKILL. With `capture`, standard output and error can be
    read through `chunks`; otherwise the command shares this process's. `settings` are added to its environment.
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
        # By file, so that the guard is this flow's own version whatever lies in `folder`; -P keeps its folder off sys.path.
        self.process = subprocess.Popen(
            [sys.executable, "-P", process_guard.__file__, str(grace), *command],
            cwd=folder,
            env=environment() | dict(settings or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.STDOUT if capture else None,
            start_new_session=True,
        )

    def __enter__(self) -> "Guarded":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def chunks(self) -> Iterator[bytes]:
        """The command's output as it comes, until it has ended."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        ended = False
        while True:
            # A process that got away could hold the pipe open for ever, so its end is not waited for once the guard is gone.
            if select.select([descriptor], [], [], 0 if ended else 1.0)[0]:
                if not (data := os.read(descriptor, 65536)):
                    return
                yield data
            elif ended:
                return
            else:
                ended = self.process.poll() is not None

    def wait(self) -> int:
        """The command's exit code (128 + n for signal n), once it has ended."""
        return self.process.wait()

    def end(self) -> None:
        """Ends the command and its descendants; does nothing when they have ended."""
        assert self.process.stdin is not None
        try:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(self.grace + process_guard.KILL_SECONDS)
        finally:
            # The guard itself was killed, or is stuck, or a second Ctrl-C came: no more patience.
            if self.process.poll() is None or self.process.returncode < 0:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.process.pid, signal.SIGKILL)
            if self.process.stdout is not None:
                self.process.stdout.close()


def environment() -> dict[str, str]:
    """This environment for a child: the virtual environment's commands first, output unbuffered, not part of this Prefect run.

    `PREFECT__...` names the run the current process belongs to; a child that used Prefect would take itself for it.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT__")}
    path = os.pathsep.join([str(Path(sys.executable).parent), *filter(None, [inherited.get("PATH")])])
    return OFF | inherited | {"PATH": path, "PYTHONUNBUFFERED": "1"}
