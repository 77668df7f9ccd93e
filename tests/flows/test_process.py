"""Child processes behind a guard."""

import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from flows.process import Guarded, environment


def test_output_comes_while_the_command_runs(tmp_path: Path) -> None:
    with Guarded(["sh", "-c", "echo out; echo err >&2; sleep 30"], tmp_path) as child:
        received = b""
        for chunk in child.chunks():
            received += chunk
            if received.count(b"\n") == 2:
                break
        assert child.process.poll() is None
    assert sorted(received.split()) == [b"err", b"out"]
    assert child.process.returncode == 143


def test_an_error_in_the_block_ends_the_command_at_once(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Guarded(["sleep", "60"], tmp_path) as child:  # noqa: PT012
        guard = psutil.Process(child.process.pid)
        while not (children := guard.children()):
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert time.monotonic() - started < 5
    assert not children[0].is_running()


def test_the_command_finds_the_virtual_environment_first_and_is_not_part_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "1")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with Guarded(["sh", "-c", "command -v python; env"], tmp_path) as child:
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
    assert environment()["PATH"] == str(Path(sys.executable).parent)
