"""No process outlives the one that started it, however that one ends."""

import signal
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from flows.process import GuardedProcess
from tests.waiting import list_running, wait_until

# A shell with three background jobs: one that is orphaned at once, one in its own session, one that ignores SIGTERM.
FAMILY = """
(sleep 6000 & echo $! >> pids)
setsid sleep 6001 & echo $! >> pids
(trap '' TERM; echo ready >> trapped; sleep 6002; sleep 6003) & echo $! >> pids
echo $$ >> pids
wait
"""

STARTER = """
import sys, time
from pathlib import Path
from flows.process import GuardedProcess
with GuardedProcess(["sh", "-c", sys.argv[1]], Path.cwd(), grace=1.0, capture=False) as child:
    Path("guard").write_text(str(child.process.pid))
    child.wait()
"""


def start_family(folder: Path) -> tuple[psutil.Popen, psutil.Process, list[psutil.Process]]:
    """Start a process with a guarded family; return the process, the guard and the family."""
    starter = psutil.Popen([sys.executable, "-c", STARTER, FAMILY], cwd=folder)
    pids = folder / "pids"
    wait_until(
        lambda: pids.exists() and len(pids.read_text().split()) == 4 and (folder / "trapped").exists(),
        "the family is not complete",
    )
    family = [psutil.Process(int(pid)) for pid in pids.read_text().split()]
    guard = psutil.Process(int((folder / "guard").read_text()))
    family += [process for process in guard.children(recursive=True) if process not in family]
    return starter, guard, family


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_family_ends_with_its_starter(tmp_path: Path, number: signal.Signals) -> None:
    starter, guard, family = start_family(tmp_path)
    assert len(list_running(family)) >= 4
    starter.send_signal(number)
    wait_until(lambda: not list_running([starter, guard, *family]), f"the family survives {number.name}")
    starter.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_family_ends_with_its_guard(tmp_path: Path, number: signal.Signals) -> None:
    starter, guard, family = start_family(tmp_path)
    # After SIGKILL only the process group is left to find them by, so the job in its own session survives.
    reachable = [process for process in family if number == signal.SIGTERM or "6001" not in process.cmdline()]
    guard.send_signal(number)
    wait_until(lambda: not list_running([starter, guard, *reachable]), "the family survives its guard")
    starter.wait()
    for process in list_running(family):
        process.kill()


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("sleep 6000 & exit 4", 4)]
)
def test_the_exit_code_is_the_command_s_and_no_process_is_left(tmp_path: Path, script: str, code: int) -> None:
    with GuardedProcess(["sh", "-c", script], tmp_path, grace=1.0) as child:
        # Read until the pipe closes: a remaining sleeper would hold it open.
        assert b"".join(child.chunks()) == b""
        assert child.wait() == code


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    with GuardedProcess(["no-such-command"], tmp_path) as child:
        assert b"no-such-command: cannot be started" in b"".join(child.chunks())
        assert child.wait() == 127
