"""Run the stages of dvc.yaml through DVC, in DVC's order, and report DVC's state of each."""

import re
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.lines import iterate_lines
from flows.process import GuardedProcess

RAN, UNCHANGED, RESTORED = "Ran", "Unchanged", "Restored"

EXIT_CODES = {
    2: "bad parameters or input",
    3: "the data was rejected",
    4: "training failed",
    5: "the gate refused",
}
"""Meaning of a stage's exit code, as the command line defines it."""

MESSAGE_LINES = 12
BUSY = "is busy, it is being blocked by"
LONGEST_WAIT_SECONDS = 60.0


class ProjectError(Exception):
    """The folder holds no pipeline that DVC can read."""

    exit_code = 2


class StageFailed(Exception):
    """A stage failed.

    `exit_code` is the stage's own, negative for a signal. It is None if DVC could not run the stage.
    """

    def __init__(self, stage: str, exit_code: int | None, message: str) -> None:
        super().__init__(stage, exit_code, message)
        self.stage, self.exit_code, self.message = stage, exit_code, message

    def __str__(self) -> str:
        return f"{self.stage}: {self.reason}: {self.message}"

    @property
    def reason(self) -> str:
        """The exit code in words."""
        if self.exit_code is None:
            return "DVC could not run it"
        if self.exit_code < 0 or self.exit_code > 128:
            return f"ended by signal {-self.exit_code if self.exit_code < 0 else self.exit_code - 128}"
        return f"{EXIT_CODES.get(self.exit_code, 'failed')} (exit {self.exit_code})"


@dataclass(frozen=True)
class StageResult:
    """A stage that is up to date. `state` is RAN, UNCHANGED or RESTORED."""

    stage: str
    state: str
    seconds: float


def list_stages(root: Path) -> list[str]:
    """Return the stages of the pipeline below `root`, dependencies first. Raise ProjectError if there are none."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.repo.reproduce import plan_repro

    try:
        with Repo(str(root)) as repo:
            stages = [stage_address(stage) for stage in plan_repro(repo.index.graph, repo.index.stages) if stage.cmd]
    except DvcException as error:
        raise ProjectError(f"{root}: DVC cannot read the pipeline: {error}") from error
    if not stages:
        raise ProjectError(f"{root}: no stages found. Run in the folder that holds dvc.yaml, or pass it as `root`.")
    return stages


def stage_address(stage: Any) -> str:
    """Return the name of a DVC stage relative to the project's root.

    DVC's own `addressing` is relative to this process's working directory.
    """
    return str(stage.name if stage.path_in_repo == "dvc.yaml" else f"{stage.path_in_repo}:{stage.name}")


def reproduce(
    root: Path, stage: str, log: Callable[[str], None], settings: Mapping[str, str] | None = None
) -> StageResult:
    """Bring one stage up to date with `dvc repro`; wait while another DVC run holds the stage's files.

    No process that the stage started is left when this returns or raises.

    Args:
        root: The project.
        stage: Name of the stage.
        log: Receives each line of output.
        settings: Variables added to the stage's environment.

    Raises:
        StageFailed: DVC or the stage failed.
    """
    started = time.monotonic()
    delay = 1.0
    while True:
        try:
            return StageResult(stage, reproduce_once(root, stage, log, settings), time.monotonic() - started)
        except StageFailed as failure:
            # DVC's --wait-for-lock waits for its own file lock, which is released while a stage's command runs.
            if failure.exit_code is not None or BUSY not in failure.message:
                raise
        log(f"another DVC run holds the files of {stage}; next attempt in {delay:.0f} s")
        time.sleep(delay)
        delay = min(2 * delay, LONGEST_WAIT_SECONDS)


def reproduce_once(
    root: Path, stage: str, log: Callable[[str], None], settings: Mapping[str, str] | None = None
) -> str:
    """Run `dvc repro` once for one stage and return the stage's state. Raise StageFailed."""
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", stage]
    state: str | None = None
    tail: deque[str] = deque(maxlen=MESSAGE_LINES)
    exit_code: int | None = None
    with GuardedProcess(command, root, settings=settings) as child:
        for line in iterate_lines(child.chunks()):
            log(line)
            # Only the first match counts: later lines may be the stage's own output.
            state = state or parse_state(line, stage)
            if failure := re.match(r"ERROR: failed to reproduce .*, exited with (-?\d+)$", line):
                exit_code = int(failure.group(1))
            else:
                tail.append(line)
        code = child.wait()
    if code != 0:
        raise StageFailed(stage, exit_code, extract_message(tail))
    return state or UNCHANGED


def parse_state(line: str, stage: str) -> str | None:
    """Return the state of `stage` that a line of DVC's output reports; None if it reports none."""
    return {
        f"Running stage '{stage}':": RAN,
        f"Stage '{stage}' is cached - skipping run, checking out outputs": RESTORED,
        f"Stage '{stage}' didn't change, skipping": UNCHANGED,
    }.get(line)


def extract_message(tail: Sequence[str]) -> str:
    """Return the stage's `ganline: ...` message from its last lines; without one, all of these lines."""
    lines = list(tail)
    start = next((number for number, line in enumerate(lines) if line.startswith("ganline: ")), 0)
    return "\n".join(lines[start:]).removeprefix("ganline: ") or "no message; see the log"


def read_metrics(root: Path) -> dict[str, dict[str, Any]]:
    """Return the content of the metrics files that dvc.yaml names, by path; files that do not exist are left out."""
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        revisions = repo.metrics.show()
    # The key "" is the workspace. A missing file has an error in place of data.
    files = revisions[""].get("data", {})
    return {name: content["data"] for name, content in files.items() if isinstance(content.get("data"), dict)}


def run_ganline(
    root: Path, arguments: Sequence[str], log: Callable[[str], None], settings: Mapping[str, str] | None = None
) -> None:
    """Run `ganline ARGUMENTS` with the code of the project in `root`.

    Raises:
        StageFailed: The command failed. The exception carries its first argument as the stage's name.
    """
    tail: deque[str] = deque(maxlen=MESSAGE_LINES)
    with GuardedProcess([sys.executable, "-m", "pipeline", *arguments], root, settings=settings) as child:
        for line in iterate_lines(child.chunks()):
            log(line)
            tail.append(line)
        code = child.wait()
    if code != 0:
        raise StageFailed(arguments[0], code, extract_message(tail))
