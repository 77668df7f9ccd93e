"""`ganline doctor` runs every check, reports what is wrong, and always ends."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.cli.doctor import project, run_checks
from pipeline.cli.doctor.finding import Finding
from pipeline.telemetry import OFF

REPOSITORY = Path(__file__).parents[3]


def test_a_complete_checkout_has_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    for name in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in OFF.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["doctor"])
    lines = result.output.splitlines()
    assert [line for line in lines if line.startswith("fail")] == []
    assert result.exit_code == 0
    assert {line[6:].split(":")[0] for line in lines} == {
        *("python", "packages", "cuda", "onnxruntime", "telemetry", "disk"),
        *("git", "dvc", "dvc remote", "mlflow", "prefect", "params"),
    }


def test_the_exit_code_is_2_if_a_check_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_checks, "CHECKS", (project.check_params,))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 2
    assert result.output.startswith("fail  params: ")
    assert "ganline preset use digits" in result.output


def test_a_check_that_hangs_or_raises_is_a_finding(tmp_path: Path) -> None:
    def check_slow(_root: Path) -> Iterator[Finding]:
        time.sleep(60)
        yield Finding("ok", "slow", "")

    def check_broken(_root: Path) -> Iterator[Finding]:
        yield Finding("ok", "broken", "so far")
        raise OSError("driver on fire")

    slow, first, broken = run_checks.run_checks(tmp_path, (check_slow, check_broken), seconds=0.2)
    assert first.result == "so far", "findings before the error are kept"
    assert (slow.level, slow.check) == ("fail", "slow")
    assert (broken.level, broken.check, broken.result) == ("fail", "broken", "OSError: driver on fire")
