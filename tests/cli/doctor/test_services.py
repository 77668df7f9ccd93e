"""Checks of the services."""

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipeline.cli.doctor import services
from pipeline.cli.doctor.finding import Check, Finding

each_service = pytest.mark.parametrize(
    ("variable", "check"),
    [("MLFLOW_TRACKING_URI", services.check_mlflow), ("PREFECT_API_URL", services.check_prefect)],
)


def only_finding(check: Check, root: Path) -> Finding:
    (finding,) = check(root)
    return finding


def test_mlflow_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert only_finding(services.check_mlflow, tmp_path).level == "ok"
    assert not (tmp_path / "mlflow.db").exists(), "the check must not create the database"
    (tmp_path / "mlflow.db").write_text("this is not a database, but it is long enough to be read as one " * 20)
    assert only_finding(services.check_mlflow, tmp_path).level == "fail"
    (tmp_path / "mlflow.db").unlink()
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("create table t (x)")
    connection.close()
    assert only_finding(services.check_mlflow, tmp_path).level == "ok"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/no/such/folder.db")
    assert only_finding(services.check_mlflow, tmp_path).level == "fail"


def test_dask_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANLINE_SCHEDULER", raising=False)
    assert list(services.check_dask(tmp_path)) == []
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("GANLINE_SCHEDULER", f"tcp://127.0.0.1:{server.getsockname()[1]}")
        assert only_finding(services.check_dask, tmp_path).level == "ok"
    for address in ("tcp://127.0.0.1:1", "nonsense"):
        monkeypatch.setenv("GANLINE_SCHEDULER", address)
        finding = only_finding(services.check_dask, tmp_path)
        assert (finding.level, "unset GANLINE_SCHEDULER" in finding.remedy) == ("fail", True)


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


@each_service
@pytest.mark.parametrize(("path", "level"), [("", "ok"), ("/", "ok"), ("/secret", "warn"), ("/other", "fail")])
def test_servers_are_contacted(
    server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, check: Check, path: str, level: str
) -> None:
    monkeypatch.setenv(variable, server + path)
    assert only_finding(check, tmp_path).level == level


def test_credentials_are_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://user:hunter2@127.0.0.1:9/db")
    finding = only_finding(services.check_mlflow, tmp_path)
    assert finding.level == "fail"
    assert "hunter2" not in str(finding)


@each_service
def test_a_server_that_hangs_does_not_hang_the_doctor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, check: Check
) -> None:
    monkeypatch.setattr(services, "NETWORK_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv(variable, f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        finding = only_finding(check, tmp_path)
    assert finding.level == "fail"
    assert "timed out" in finding.result
    assert time.monotonic() - started < 30, "far below the minute that a check may take"
