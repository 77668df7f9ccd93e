"""The doctor finds what is wrong, names the way out, and always ends."""

import importlib.metadata
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import doctor
from pipeline.cli.app import app
from pipeline.cli.doctor import Check, Finding, examine
from pipeline.telemetry import OFF

REPOSITORY = Path(__file__).parents[2]


def findings(check: Check, root: Path) -> list[Finding]:
    return list(examine(root, (check,)))


def one(check: Check, root: Path) -> Finding:
    (found,) = findings(check, root)
    return found


def test_a_checkout_that_is_set_up_has_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    for name in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in OFF.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["doctor"])
    lines = result.output.splitlines()
    assert [line for line in lines if line.startswith("fail")] == []
    assert result.exit_code == 0
    checks = {line[6:].split(":")[0] for line in lines}
    assert checks == {
        "python",
        "packages",
        "cuda",
        "onnxruntime",
        "telemetry",
        "disk",
        "git",
        "dvc",
        "dvc remote",
        "mlflow",
        "prefect",
        "params",
    }


def test_the_exit_code_is_2_when_something_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "CHECKS", (doctor.parameters,))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 2
    assert result.output.startswith("fail  params: ")
    assert "ganline preset use digits" in result.output


def test_versions_are_compared_with_the_lock_and_markers_respected(tmp_path: Path) -> None:
    numpy = importlib.metadata.version("numpy")
    lock = f"numpy=={numpy}\nno-such-package==1.0\npydantic==0.1\npywin32==312 ; sys_platform == 'no-such-system'\n# comment\n"
    (tmp_path / "requirements.lock").write_text(lock)
    missing, different = findings(doctor.packages, tmp_path)
    assert (missing.level, missing.found) == ("fail", "missing: no-such-package")
    assert (different.level, different.found.split(" (")[0]) == (
        "warn",
        f"not the tested version: pydantic {importlib.metadata.version('pydantic')}",
    )
    assert "uv pip install -r requirements.lock" in missing.remedy


@pytest.mark.parametrize("content", [None, "not a requirement !!", "\x00"])
def test_a_lock_that_cannot_be_read(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "requirements.lock").write_text(content)
    assert one(doctor.packages, tmp_path).level == "warn"


def test_onnxruntime_beside_onnxruntime_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert findings(doctor.onnxruntime_packages, tmp_path) == []
    intruder = tmp_path / "onnxruntime-1.0.dist-info"
    intruder.mkdir()
    (intruder / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert one(doctor.onnxruntime_packages, tmp_path).level == "fail"


def test_onnxruntime_really_runs() -> None:
    found = one(doctor.onnxruntime_provider, REPOSITORY)
    assert found.level in {"ok", "warn"}
    assert "Provider" in found.found or "GPU" in found.found


def test_a_telemetry_switch_turned_on_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in OFF.items():
        monkeypatch.setenv(name, value)
    assert one(doctor.telemetry, tmp_path).level == "ok"
    monkeypatch.setenv("GX_ANALYTICS_ENABLED", "true")
    found = one(doctor.telemetry, tmp_path)
    assert found.level == "warn"
    assert "GX_ANALYTICS_ENABLED=true" in found.found


def project(folder: Path, config: str = "") -> Path:
    environment = os.environ | OFF
    subprocess.run(
        [sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=folder, env=environment, check=True
    )
    with (folder / ".dvc/config").open("a") as file:
        file.write(config)
    return folder


def test_dvc_not_initialised(tmp_path: Path) -> None:
    found = one(doctor.dvc, tmp_path)
    assert found.level == "fail"
    assert "not inside of a DVC repository" in found.found


def test_dvc_analytics_and_a_remote_that_is_not_there(tmp_path: Path) -> None:
    root = project(tmp_path, f"    remote = r\n['remote \"r\"']\n    url = {tmp_path}/gone\n")
    assert [(finding.level, finding.check) for finding in findings(doctor.dvc, root)] == [
        ("warn", "dvc"),
        ("ok", "dvc"),
        ("warn", "dvc remote"),
    ]


def test_dvc_remotes_that_are_there(tmp_path: Path) -> None:
    quiet = "    analytics = false\n    check_update = false\n    remote = r\n"
    root = project(tmp_path, f"{quiet}['remote \"r\"']\n    url = {tmp_path}\n")
    assert [finding.level for finding in findings(doctor.dvc, root)] == ["ok", "ok"]
    config = root / ".dvc/config"
    config.write_text(config.read_text().replace(f"url = {tmp_path}", "url = s3://bucket/key"))
    assert findings(doctor.dvc, root)[1].found == "r configured (s3); not contacted"
    config.write_text(config.read_text().split("['remote")[0])
    assert findings(doctor.dvc, root)[1].level == "fail"


def test_a_git_repository_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert one(doctor.git, tmp_path).level == "warn"
    (tmp_path / ".git").mkdir()
    assert one(doctor.git, tmp_path / "sub").level == "ok"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert one(doctor.git, tmp_path).found == "not installed"


def test_mlflow_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert one(doctor.mlflow, tmp_path).level == "ok"
    assert not (tmp_path / "mlflow.db").exists(), "looking must not create"
    (tmp_path / "mlflow.db").write_text("this is not a database, though it is long enough to be looked at " * 20)
    assert one(doctor.mlflow, tmp_path).level == "fail"
    (tmp_path / "mlflow.db").unlink()
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("create table t (x)")
    connection.close()
    assert one(doctor.mlflow, tmp_path).level == "ok"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/no/such/folder.db")
    assert one(doctor.mlflow, tmp_path).level == "fail"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        code = {"/health": 200, "/secret/health": 401}.get(self.path, 503)
        self.send_response(code)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    http = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()


@pytest.mark.parametrize(
    ("variable", "check"), [("MLFLOW_TRACKING_URI", doctor.mlflow), ("PREFECT_API_URL", doctor.prefect)]
)
@pytest.mark.parametrize(("path", "level"), [("", "ok"), ("/", "ok"), ("/secret", "warn"), ("/other", "fail")])
def test_servers_are_asked(
    server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, check: Check, path: str, level: str
) -> None:
    monkeypatch.setenv(variable, server + path)
    assert one(check, tmp_path).level == level


def test_credentials_are_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://user:hunter2@127.0.0.1:9/db")
    found = one(doctor.mlflow, tmp_path)
    assert found.level == "fail"
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("variable", "check"), [("MLFLOW_TRACKING_URI", doctor.mlflow), ("PREFECT_API_URL", doctor.prefect)]
)
def test_a_server_that_hangs_does_not_hang_the_doctor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, check: Check
) -> None:
    monkeypatch.setattr(doctor, "NETWORK_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv(variable, f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        found = one(check, tmp_path)
    assert found.level == "fail"
    assert "timed out" in found.found
    assert time.monotonic() - started < 5


def test_a_check_that_hangs_or_breaks_is_a_finding(tmp_path: Path) -> None:
    def hangs(_root: Path) -> Iterator[Finding]:
        time.sleep(60)
        yield Finding("ok", "hangs", "")

    def breaks(_root: Path) -> Iterator[Finding]:
        yield Finding("ok", "breaks", "so far")
        raise OSError("driver on fire")

    hung, first, broken = examine(tmp_path, (hangs, breaks), seconds=0.2)
    assert first.found == "so far", "what a check found before it broke is kept"
    assert (hung.level, hung.check) == ("fail", "hangs")
    assert (broken.level, broken.found) == ("fail", "OSError: driver on fire")


def test_wrong_parameters_are_listed_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("train: {batchsize: 1}\nmodel: {variant: dcgan, latent: 0}\n")
    found = findings(doctor.parameters, tmp_path)
    assert [finding.level for finding in found] == ["fail", "fail"]
    assert "train.batchsize" in "".join(map(str, found))
    assert "model.latent" in "".join(map(str, found))
