"""`ganline serve` as a process: signals, overload, errors; torch is not imported."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

HEAVY = "{'torch', 'torchvision', 'onnx', 'pandas', 'sklearn', 'mlflow', 'prefect', 'dvc'}"
CODE = f"""
import sys
from pipeline.cli.app import app
app(standalone_mode=False)
sys.exit(f'imported {{found}}' if (found := {HEAVY} & set(sys.modules)) else 0)
"""
SERVE = [sys.executable, "-c", CODE, "serve", "--port", "0"]


@contextmanager
def process(
    *arguments: str, log: Path, environment: dict[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with log.open("wb") as file:
        started = subprocess.Popen(
            [*SERVE, *arguments], cwd=log.parent, stderr=file, stdout=file, env=os.environ | (environment or {})
        )
    try:
        deadline = time.monotonic() + 120
        while not (url := next((entry["url"] for entry in entries(log) if entry["event"] == "serving"), None)):
            assert started.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield started, url
    finally:
        started.kill()
        started.wait()


def entries(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_service_and_torch_is_never_imported(made_styled: Any, tmp_path: Path, number: int) -> None:
    log = tmp_path / "log"
    # So long a delay keeps all of them waiting until well after the signal.
    with process("--model", str(made_styled.path), "--max-delay-ms", "3000", "--max-batch", "4096", log=log) as (
        started,
        url,
    ):
        assert httpx.get(f"{url}/", timeout=60).status_code == 200
        assert httpx.get(f"{url}/docs", timeout=60).status_code == 200
        assert httpx.get(f"{url}/interpolate.gif?n=2&steps=2&label=1", timeout=60).status_code == 200
        with ThreadPoolExecutor(12) as pool:
            answers = [pool.submit(httpx.get, f"{url}/image.png?seed={k}&n=9", timeout=60) for k in range(12)]
            metrics = ""
            deadline = time.monotonic() + 30
            while "ganline_queue_images 108.0" not in metrics:
                assert time.monotonic() < deadline
                metrics = httpx.get(f"{url}/metrics", timeout=60).text
            started.send_signal(number)
            time.sleep(0.5)
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{url}/v2/health/ready", timeout=60)
            assert not any(one.done() for one in answers), "the signal came while they waited"
            assert [one.result().status_code for one in answers] == [200] * 12
        assert started.wait(30) == 0, log.read_text()
    found = entries(log)
    assert found[-1]["event"] == "drained"
    assert found[0]["provider"] in ("CPUExecutionProvider", "CUDAExecutionProvider")
    assert sum(entry["event"] == "request" and entry["status"] == 200 for entry in found) == 15


def test_only_429_occurs_under_overload(made: Any, tmp_path: Path) -> None:
    arguments = [
        "--model",
        str(made.path),
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
        answers = list(pool.map(lambda k: httpx.get(f"{url}/image.png?seed={k}&n=16", timeout=60), range(48)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 429)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_invalid_options_exit_with_2_and_a_message(made: Any, tmp_path: Path, taken: int) -> None:
    (tmp_path / "empty").write_text("")
    model = ["--model", str(made.path)]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "MLFLOW_TRACKING_URI": ""}
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
        ([*model, "--token-file", "absent"], "absent: the token cannot be read (No such file or directory)"),
        ([*model, "--token-file", "empty"], "empty: a token is one line of printable ASCII"),
        (["--model", "models:/a/b/c"], "a registered model is models:/NAME@ALIAS"),
    ):
        command = [
            sys.executable,
            "-c",
            "from pipeline.cli.app import main; main()",
            "serve",
            "--port",
            "0",
            *arguments,
        ]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 2, (arguments, done.stderr)
        assert words in " ".join(done.stderr.replace("│", " ").split()), (arguments, done.stderr)
        assert "Traceback" not in done.stderr


def test_the_token_comes_from_a_file_or_the_environment(made: Any, tmp_path: Path) -> None:
    with process(
        "--model", str(made.path), log=tmp_path / "log", environment={"GANLINE_SERVE_TOKEN": "open-sesame"}
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
