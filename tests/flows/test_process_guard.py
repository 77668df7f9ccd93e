"""Nothing outlives its starter, however the starter goes."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from flows.process import Guarded

Until = Callable[[Callable[[], object], float, str], None]
Alive = Callable[[list[psutil.Process]], list[psutil.Process]]

# A shell whose background job is orphaned at once, another in a session of its own, one that ignores SIGTERM, and itself.
FAMILY = """
(sleep 300 & echo $! >> pids)
setsid sleep 301 & echo $! >> pids
(trap '' TERM; echo ready >> trapped; sleep 302; sleep 303) & echo $! >> pids
echo $$ >> pids
wait
"""

STARTER = """
import sys, time
from pathlib import Path
from flows.process import Guarded
with Guarded(["sh", "-c", sys.argv[1]], Path.cwd(), grace=1.0, capture=False) as child:
    Path("guard").write_text(str(child.process.pid))
    child.wait()
"""


def start_family(folder: Path, until: Until) -> tuple[psutil.Popen, psutil.Process, list[psutil.Process]]:
    starter = psutil.Popen([sys.executable, "-c", STARTER, FAMILY], cwd=folder)
    pids = folder / "pids"
    until(
        lambda: pids.exists() and len(pids.read_text().split()) == 4 and (folder / "trapped").exists(), 30, "the family"
    )
    family = [psutil.Process(int(pid)) for pid in pids.read_text().split()]
    guard = psutil.Process(int((folder / "guard").read_text()))
    family += [process for process in guard.children(recursive=True) if process not in family]
    return starter, guard, family


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_family_goes_with_its_starter(tmp_path: Path, until: Until, alive: Alive, number: signal.Signals) -> None:
    starter, guard, family = start_family(tmp_path, until)
    assert len(alive(family)) >= 4
    starter.send_signal(number)
    starter.wait(30)
    until(lambda: not alive([guard, *family]), 10, f"the family to end after {number.name}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_guard_takes_the_family_along(
    tmp_path: Path, until: Until, alive: Alive, number: signal.Signals
) -> None:
    starter, guard, family = start_family(tmp_path, until)
    # With SIGKILL only the group can be found again: a process that left it is out of reach.
    reachable = (
        family if number == signal.SIGTERM else [process for process in family if "301" not in process.cmdline()]
    )
    guard.send_signal(number)
    starter.wait(30)
    until(lambda: not alive([guard, *reachable]), 10, "the family to end")
    for process in alive(family):
        process.kill()


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("sleep 60 & exit 4", 4)]
)
def test_the_exit_code_is_the_command_s_and_nothing_stays_behind(tmp_path: Path, script: str, code: int) -> None:
    with Guarded(["sh", "-c", script], tmp_path, grace=1.0) as child:
        # Reads until the pipe closes: a sleeper left behind would hold it open.
        assert b"".join(child.chunks()) == b""
        assert child.wait() == code


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    with Guarded(["no-such-command"], tmp_path) as child:
        assert b"no-such-command: cannot be started" in b"".join(child.chunks())
        assert child.wait() == 127
