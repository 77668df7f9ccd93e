"""Checks of the checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.doctor import project
from pipeline.telemetry import OFF


def init_dvc(folder: Path, config: str = "") -> Path:
    """Initialise DVC without git and append to its configuration."""
    command = [sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"]
    subprocess.run(command, cwd=folder, env=os.environ | OFF, check=True)
    with (folder / ".dvc/config").open("a") as file:
        file.write(config)
    return folder


def test_dvc_is_not_initialised(tmp_path: Path) -> None:
    (finding,) = project.check_dvc(tmp_path)
    assert finding.level == "fail"
    assert "not inside of a DVC repository" in finding.result


def test_dvc_analytics_and_a_missing_remote(tmp_path: Path) -> None:
    root = init_dvc(tmp_path, f"    remote = r\n['remote \"r\"']\n    url = {tmp_path}/gone\n")
    assert [(finding.level, finding.check) for finding in project.check_dvc(root)] == [
        ("warn", "dvc"),
        ("ok", "dvc"),
        ("warn", "dvc remote"),
    ]


def test_dvc_remotes_that_exist(tmp_path: Path) -> None:
    options = "    analytics = false\n    check_update = false\n    remote = r\n"
    root = init_dvc(tmp_path, f"{options}['remote \"r\"']\n    url = {tmp_path}\n")
    assert [finding.level for finding in project.check_dvc(root)] == ["ok", "ok"]
    config = root / ".dvc/config"
    config.write_text(config.read_text().replace(f"url = {tmp_path}", "url = s3://bucket/key"))
    assert list(project.check_dvc(root))[1].result == "r configured (s3); not contacted"
    config.write_text(config.read_text().split("['remote")[0])
    assert list(project.check_dvc(root))[1].level == "fail"


def test_git_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = project.check_git(tmp_path)
    assert finding.level == "warn"
    (tmp_path / ".git").mkdir()
    (finding,) = project.check_git(tmp_path / "sub")
    assert finding.level == "ok"
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = project.check_git(tmp_path)
    assert finding.result == "not installed"


def test_wrong_parameters_are_listed_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("train: {batchsize: 1}\nmodel: {variant: dcgan, latent: 0}\n")
    findings = list(project.check_params(tmp_path))
    assert [finding.level for finding in findings] == ["fail", "fail"]
    assert "train.batchsize" in "".join(map(str, findings))
    assert "model.latent" in "".join(map(str, findings))
