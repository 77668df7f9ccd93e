"""`ganline serve` as a process: signals, overload, errors; torch is not imported."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.cli.app import main
from tests.waiting import WAIT_SECONDS, wait_until

HEAVY = "{'torch', 'torchvision', 'onnx', 'pandas', 'sklearn', 'mlflow', 'prefect', 'dvc'}"
STUCK = "import time; from pipeline.serving.http import batching; batching.run_batch = lambda batch: time.sleep(3600)"
CODE = f"""
import sys
from pipeline.cli.app import app
app(standalone_mode=False)
sys.exit(f'imported {{found}}' if (found := {HEAVY} & set(sys.modules)) else 0)
"""
SERVE = ["serve", "--port", "0"]


@contextmanager
def process(
    *arguments: str, log: Path, environment: dict[str, str] | None = None, code: str = CODE
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with log.open("wb") as file:
        started = subprocess.Popen(
            [sys.executable, "-c", code, *SERVE, *arguments],
            cwd=log.parent,
            stderr=file,
            stdout=file,
            env=os.environ | (environment or {}),
        )
    try:

        def find_url() -> str:
            assert started.poll() is None, log.read_text()
            return next((str(entry["url"]) for entry in entries(log) if entry["event"] == "serving"), "")

        yield started, wait_until(find_url, log.read_text)
    finally:
        started.kill()
        started.wait()


def entries(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_service_and_torch_is_never_imported(
    styled_graph: Any, tmp_path: Path, number: int
) -> None:
    log = tmp_path / "log"
    # On a slow machine the first delays end before the signal arrives.
    assert any(drains(styled_graph.path, log, number, delay) for delay in (1, 5, 25)), "no delay was long enough"
    records = entries(log)
    assert records[-1]["event"] == "drained"
    assert records[0]["provider"] in ("CPUExecutionProvider", "CUDAExecutionProvider")
    assert sum(entry["event"] == "request" and entry["status"] == 200 for entry in records) == 15


def drains(model: Path, log: Path, number: int, delay: int) -> bool:
    """Send a signal while 12 requests wait for `delay` seconds; return False if one was answered before the signal."""
    options = ["--max-delay-ms", str(1000 * delay), "--max-batch", "4096", "--grace-seconds", str(WAIT_SECONDS)]
    with process("--model", str(model), *options, log=log) as (started, url), ThreadPoolExecutor(12) as pool:
        assert httpx.get(f"{url}/").status_code == 200
        assert httpx.get(f"{url}/docs").status_code == 200
        assert httpx.get(f"{url}/interpolate.gif?n=2&steps=2&label=1").status_code == 200
        answers = [pool.submit(httpx.get, f"{url}/image.png?seed={k}&n=9") for k in range(12)]
        wait_until(
            lambda: (
                "ganline_queue_images 108.0" in httpx.get(f"{url}/metrics").text
                or any(answer.done() for answer in answers)
            ),
            "the requests do not arrive",
        )
        started.send_signal(number)
        wait_until(lambda: refuses(url), "the service accepts connections after the signal")
        in_time = not any(answer.done() for answer in answers)
        if in_time:
            assert [answer.result().status_code for answer in answers] == [200] * 12
        assert started.wait(WAIT_SECONDS) == 0, log.read_text()
    return in_time


def refuses(url: str) -> bool:
    """Return whether the service refuses connections.

    A connection that waited in the backlog when the port closed ends without an answer; that is not a refusal.
    """
    try:
        httpx.get(f"{url}/v2/health/ready")
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        pass
    return False


def test_the_process_ends_with_the_grace_period_even_if_the_model_runs_on(styled_graph: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    options = ["--model", str(styled_graph.path), "--grace-seconds", "1", "--max-batch", "1"]
    with process(*options, log=log, code=STUCK + CODE) as (started, url), ThreadPoolExecutor(2) as pool:
        pending = [pool.submit(httpx.get, f"{url}/image.png") for _ in range(2)]
        wait_until(lambda: "ganline_queue_images 1.0" in httpx.get(f"{url}/metrics").text, "the model does not run")
        started.send_signal(signal.SIGTERM)
        assert [answer.result().status_code for answer in pending] == [503, 503]
        assert started.wait(WAIT_SECONDS) == 0, log.read_text()
    assert entries(log)[-1]["event"] == "cut off"


def test_only_429_occurs_under_overload(plain_graph: Any, tmp_path: Path) -> None:
    arguments = [
        "--model",
        str(plain_graph.path),
        "--max-queue",
        "64",
        "--max-images",
        "64",
        "--max-batch",
        "4096",
        "--max-delay-ms",
        "400",
    ]
    with process(*arguments, log=tmp_path / "log") as (_, url), ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda k: httpx.get(f"{url}/image.png?seed={k}&n=16"), range(48)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 429)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_invalid_options_exit_with_2_and_a_message(
    plain_graph: Any, tmp_path: Path, taken: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "empty").write_text("")
    model = ["--model", str(plain_graph.path)]
    for arguments, words in (
        (
            [],
            "exported/generator.onnx: no such file or directory. Run `dvc repro` to export it, or choose another with "
            "--model.",
        ),
        (["--model", "empty"], "not a model that ONNX Runtime can run"),
        (
            [*model, "--port", str(taken)],
            f"127.0.0.1:{taken}: cannot listen (Address already in use). Choose another --host or --port.",
        ),
        ([*model, "--host", "nowhere.invalid"], "nowhere.invalid:0: cannot listen"),
        (
            [*model, "--provider", "tensorrt", "--strict-provider"],
            "--strict-provider: TensorrtExecutionProvider cannot run here",
        ),
        ([*model, "--provider", "opencl"], "--provider"),
        ([*model, "--cors-origin", "https://a.example/"], "--cors-origin 'https://a.example/': an origin is scheme"),
        ([*model, "--drain-seconds", "9"], "--drain-seconds 9 leaves nothing of --grace-seconds 9"),
        ([*model, "--token-file", "absent"], "absent: the token cannot be read (No such file or directory)"),
        ([*model, "--token-file", "empty"], "empty: a token is one line of printable ASCII"),
        (["--model", "models:/a/b/c"], "a registered model is models:/NAME@ALIAS"),
    ):
        monkeypatch.setattr(sys, "argv", ["ganline", "serve", "--port", "0", *arguments])
        with pytest.raises(SystemExit) as exited:
            main()
        assert exited.value.code == 2, arguments
        printed = capsys.readouterr().err
        assert words in " ".join(printed.replace("│", " ").split()), (arguments, printed)
        assert "Traceback" not in printed


def test_the_token_comes_from_a_file_or_the_environment(plain_graph: Any, tmp_path: Path) -> None:
    with process(
        "--model", str(plain_graph.path), log=tmp_path / "log", environment={"GANLINE_SERVE_TOKEN": "open-sesame"}
    ) as (_, url):
        assert httpx.get(f"{url}/model.json").status_code == 401
        assert httpx.get(f"{url}/model.json", headers={"Authorization": "Bearer open-sesame"}).status_code == 200
    assert "open-sesame" not in (tmp_path / "log").read_text()


def test_help_has_examples() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "serve", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    for example in (
        "models:/ganline-digits@champion",
        "--provider cuda --strict-provider",
        "--token-file",
        "image.png?seed=7&n=16",
    ):
        assert example in done.stdout
