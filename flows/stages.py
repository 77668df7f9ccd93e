"""The stages of dvc.yaml, in DVC's own order, and what became of each, in DVC's own words."""

import re
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.lines import tame
from flows.process import Guarded

RAN, UNCHANGED, RESTORED = "Ran", "Unchanged", "Restored"

EXIT_CODES = {
    2: "bad parameters or input",
    3: "the data was rejected",
    4: "training failed",
    5: "the gate refused",
}
"""What a stage's exit code says (the command line's contract)."""

MESSAGE_LINES = 12
BUSY = "is busy, it is being blocked by"
LONGEST_WAIT_SECONDS = 60.0


class ProjectError(Exception):
    """The folder holds no pipeline that DVC can read."""

    exit_code = 2


class StageFailed(Exception):
    """A stage ended badly. `exit_code` is the stage's own (negative for a signal, None when DVC failed around it)."""

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
class Outcome:
    """`state` is one of RAN, UNCHANGED, RESTORED."""

    stage: str
    state: str
    seconds: float


def in_order(root: Path) -> list[str]:
    """The stages of the pipeline below `root`, dependencies first. Raises ProjectError."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.repo.reproduce import plan_repro

    try:
        with Repo(str(root)) as repo:
            stages = [address(stage) for stage in plan_repro(repo.index.graph, repo.index.stages) if stage.cmd]
    except DvcException as error:
        raise ProjectError(f"{root}: DVC cannot read the pipeline: {error}") from error
    if not stages:
        raise ProjectError(f"{root}: no stages found; run in the folder that holds dvc.yaml, or give it as `root`")
    return stages


def address(stage: Any) -> str:
    """A stage's name for a `dvc` that runs in the project's root; DVC's own `addressing` is for this process's working directory."""
    return str(stage.name if stage.path_in_repo == "dvc.yaml" else f"{stage.path_in_repo}:{stage.name}")


def reproduce(root: Path, stage: str, log: Callable[[str], None], settings: Mapping[str, str] | None = None) -> Outcome:
    """Brings one stage up to date with `dvc repro`, waiting for DVC runs of others; each line of output goes to `log`.

    `settings` are added to the stage's environment.

    Raises StageFailed. Nothing the stage started is left when this returns or raises.
    """
    started = time.monotonic()
    delay = 1.0
    while True:
        try:
            return Outcome(stage, reproduce_once(root, stage, log, settings), time.monotonic() - started)
        except StageFailed as failure:
            # DVC's --wait-for-lock waits for its own file lock, which is released while a stage's command runs.
            if failure.exit_code is not None or BUSY not in failure.message:
                raise
        log(f"another DVC run is at work on what {stage} needs; trying again in {delay:.0f} s")
        time.sleep(delay)
        delay = min(2 * delay, LONGEST_WAIT_SECONDS)


def reproduce_once(
    root: Path, stage: str, log: Callable[[str], None], settings: Mapping[str, str] | None = None
) -> str:
    """One `dvc repro` of one stage; returns its state. Raises StageFailed."""
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", stage]
    state: str | None = None
    tail: deque[str] = deque(maxlen=MESSAGE_LINES)
    exit_code: int | None = None
    with Guarded(command, root, settings=settings) as child:
        for line in tame(child.chunks()):
            log(line)
            # Only DVC's first word counts: what follows may be the stage's own output.
            state = state or state_in(line, stage)
            if failure := re.match(r"ERROR: failed to reproduce .*, exited with (-?\d+)$", line):
                exit_code = int(failure.group(1))
            else:
                tail.append(line)
        code = child.wait()
    if code != 0:
        raise StageFailed(stage, exit_code, message_in(tail))
    return state or UNCHANGED


def state_in(line: str, stage: str) -> str | None:
    """What DVC says about a stage in one line of its output, if it does."""
    return {
        f"Running stage '{stage}':": RAN,
        f"Stage '{stage}' is cached - skipping run, checking out outputs": RESTORED,
        f"Stage '{stage}' didn't change, skipping": UNCHANGED,
    }.get(line)


def message_in(tail: deque[str]) -> str:
    """The stage's own last words: its `ganline: ...` message where there is one, else the end of its output."""
    lines = list(tail)
    start = next((number for number, line in enumerate(lines) if line.startswith("ganline: ")), 0)
    return "\n".join(lines[start:]).removeprefix("ganline: ") or "no message; see the log"


def metrics(root: Path) -> dict[str, dict[str, Any]]:
    """The metrics files named in dvc.yaml and what they hold now; those that are not there yet are left out."""
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        shown = repo.metrics.show()
    # Keyed by revision; there is only the workspace. A file that is absent has an error in place of data.
    files = shown[""].get("data", {})
    return {name: content["data"] for name, content in files.items() if isinstance(content.get("data"), dict)}


def ganline(
    root: Path, arguments: Sequence[str], log: Callable[[str], None], settings: Mapping[str, str] | None = None
) -> None:
    """Runs `ganline ARGUMENTS`, the code of the project in `root`, outside the graph. Raises StageFailed, named by the first argument."""
    tail: deque[str] = deque(maxlen=MESSAGE_LINES)
    with Guarded([sys.executable, "-m", "pipeline", *arguments], root, settings=settings) as child:
        for line in tame(child.chunks()):
            log(line)
            tail.append(line)
        code = child.wait()
    if code != 0:
        raise StageFailed(arguments[0], code, message_in(tail))
