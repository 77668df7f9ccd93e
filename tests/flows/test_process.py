"""Child processes behind a guard."""

import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from flows.process import GuardedProcess, child_environment
from tests.waiting import list_running, wait_until


def test_output_arrives_while_the_command_runs(tmp_path: Path) -> None:
    with GuardedProcess(["sh", "-c", "echo out; echo err >&2; sleep 6000"], tmp_path) as child:
        received = b""
        for chunk in child.chunks():
            received += chunk
            if received.count(b"\n") == 2:
                break
        assert child.process.poll() is None
    assert sorted(received.split()) == [b"err", b"out"]
    assert child.process.returncode == 143


def test_an_error_in_the_block_ends_the_command_by_sigterm(tmp_path: Path) -> None:
    # Neither the command's time nor the grace fits into the test's.
    child = GuardedProcess(["sleep", "6000"], tmp_path, grace=6000.0)
    with pytest.raises(KeyboardInterrupt), child:  # noqa: PT012
        guard = psutil.Process(child.process.pid)
        children = wait_until(guard.children, "the guard starts no command")
        raise KeyboardInterrupt
    assert child.process.returncode == 143
    assert list_running(children) == []


def test_the_command_finds_the_virtual_environment_first_and_is_not_part_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "1")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with GuardedProcess(["sh", "-c", "command -v python; env"], tmp_path) as child:
        lines = b"".join(child.chunks()).decode().splitlines()
    assert Path(lines[0]).parent == Path(sys.executable).parent
    assert not [line for line in lines if line.startswith("PREFECT__")]
    assert {
        "PREFECT_API_URL=http://127.0.0.1:1/api",
        "DO_NOT_TRACK=1",
        "DVC_NO_ANALYTICS=1",
        "MLFLOW_DISABLE_TELEMETRY=true",
    } <= set(lines)


def test_without_a_path_the_child_s_is_not_the_working_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH")
    assert child_environment()["PATH"] == str(Path(sys.executable).parent)
