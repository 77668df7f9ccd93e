"""Compare `ganline serve` with `mlflow models serve` and with ONNX Runtime alone, on one machine."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import uvloop

from benchmarks.serving.load import Load, http, run
from benchmarks.serving.models import SMALL, WIDE, Model, export_untrained

CLIENTS = (1, 8, 64)
PORT = 8790
BATCH = 64


class Endpoint(NamedTuple):
    """A server's port, and a function that builds the request for n images."""

    name: str
    port: int
    request: Callable[[int], bytes]


def latents(model: Model, n: int) -> Any:
    """Return the same `n` latents on every call."""
    return np.random.default_rng(7).standard_normal((n, model.latent), dtype=np.float32)


def endpoints(model: Model) -> list[Endpoint]:
    """Return the endpoints to compare."""

    def mlflow(n: int) -> bytes:
        body = json.dumps({"inputs": {"z": latents(model, n).tolist()}}).encode()
        return http("/invocations", body, {"Content-Type": "application/json"})

    def plain(n: int) -> bytes:
        body = {
            "inputs": [
                {
                    "name": "z",
                    "datatype": "FP32",
                    "shape": [n, model.latent],
                    "data": latents(model, n).ravel().tolist(),
                }
            ]
        }
        return http("/v2/models/generator/infer", json.dumps(body).encode(), {"Content-Type": "application/json"})

    def binary(n: int) -> bytes:
        z = latents(model, n).tobytes()
        tensor = {
            "name": "z",
            "datatype": "FP32",
            "shape": [n, model.latent],
            "parameters": {"binary_data_size": len(z)},
        }
        header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        return http("/v2/models/generator/infer", header + z, {"Inference-Header-Content-Length": str(len(header))})

    return [
        Endpoint("mlflow models serve", PORT + 1, mlflow),
        Endpoint("ganline serve, JSON", PORT, plain),
        Endpoint("ganline serve, binary", PORT, binary),
    ]


@contextmanager
def run_server(command: list[str], health: str, log: Path) -> Iterator[None]:
    """Run a server and wait until `health` answers."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    try:
        deadline = time.monotonic() + 300
        while True:
            try:
                with urllib.request.urlopen(health, timeout=5):
                    break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(log.read_text()) from None
                time.sleep(0.3)
        yield
    finally:
        os.killpg(process.pid, 15)
        process.wait(60)


@contextmanager
def run_both_servers(model: Model, folder: Path) -> Iterator[Path]:
    """Run both servers with the same graph; yield its file."""
    import mlflow.onnx
    import onnx
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    path = export_untrained(model, folder / "generator.onnx")
    inputs = Schema([TensorSpec(np.dtype("float32"), (-1, model.latent), "z")])
    outputs = Schema(
        [TensorSpec(np.dtype("float32"), (-1, model.channels, model.resolution, model.resolution), "images")]
    )
    mlflow.onnx.save_model(
        onnx.load(path),
        folder / "mlflow",
        signature=ModelSignature(inputs=inputs, outputs=outputs),
        pip_requirements=mlflow.onnx.get_default_pip_requirements(),
        save_as_external_data=False,
    )
    ganline = [
        sys.executable,
        "-m",
        "pipeline",
        "serve",
        "--model",
        str(path),
        "--port",
        str(PORT),
        "--max-batch",
        str(BATCH),
        "--max-queue",
        "8192",
    ]
    peer = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        str(folder / "mlflow"),
        "--port",
        str(PORT + 1),
        "--env-manager",
        "local",
    ]
    ready, ping = f"http://127.0.0.1:{PORT}/v2/health/ready", f"http://127.0.0.1:{PORT + 1}/ping"
    with run_server(ganline, ready, folder / "ganline.log"), run_server(peer, ping, folder / "mlflow.log"):
        yield path


def measure_onnxruntime(path: Path, model: Model, seconds: float) -> float:
    """Return the images per second of ONNX Runtime alone, in batches of 64."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs, count = {"z": latents(model, BATCH)}, 0
    session.run(None, inputs)
    began = time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds:
        session.run(None, inputs)
        count += BATCH
    return count / spent


def measure(endpoint: Endpoint, clients: int, images: int, seconds: float) -> Load:
    """Measure one endpoint. Exit if a request fails."""
    load = uvloop.run(run("127.0.0.1", endpoint.port, endpoint.request(images), clients, seconds))
    if load.failed:
        raise SystemExit(f"{endpoint.name}: {load.failed} requests failed")
    return load


def compare_with_mlflow(seconds: float, rounds: int) -> list[str]:
    """Return the rows of the table of requests per second."""
    rows = ["| clients | server | requests/s | p50 ms | p99 ms | times mlflow |", "|---|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as scratch, run_both_servers(SMALL, Path(scratch)):
        for clients in CLIENTS:
            loads_by_name: dict[str, list[Load]] = {}
            for _ in range(rounds):
                for endpoint in endpoints(SMALL):
                    loads_by_name.setdefault(endpoint.name, []).append(measure(endpoint, clients, 1, seconds))
            peer = loads_by_name["mlflow models serve"]
            for name, loads in loads_by_name.items():
                ratio = statistics.median(
                    load.per_second / other.per_second for load, other in zip(loads, peer, strict=True)
                )
                figures = [
                    statistics.median(value)
                    for value in (
                        [load.per_second for load in loads],
                        *([load.percentile(q) for load in loads] for q in (0.5, 0.99)),
                    )
                ]
                rows.append(
                    f"| {clients} | {name} | {figures[0]:,.0f} | {figures[1]:.1f} | {figures[2]:.1f} | {ratio:.1f} |"
                )
                print(rows[-1], file=sys.stderr)
    return rows


def compare_with_onnxruntime(seconds: float, rounds: int) -> list[str]:
    """Return the rows of the table of images per second."""
    rows = ["| clients | images per request | images/s | ONNX Runtime alone | share |", "|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as scratch, run_both_servers(WIDE, Path(scratch)) as path:
        endpoint = endpoints(WIDE)[2]
        for images in (1, 16, 64):
            served, limit = [], []
            for _ in range(rounds):
                limit.append(measure_onnxruntime(path, WIDE, seconds))
                served.append(images * measure(endpoint, 64, images, seconds).per_second)
            share = statistics.median(one / other for one, other in zip(served, limit, strict=True))
            rows.append(
                f"| 64 | {images} | {statistics.median(served):,.0f} | {statistics.median(limit):,.0f} | {share:.0%} |"
            )
            print(rows[-1], file=sys.stderr)
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a measurement in seconds")
    parser.add_argument(
        "--rounds", type=int, default=3, help="measurements of each endpoint, in turn; the median is reported"
    )
    parser.add_argument("--out", type=Path, help="folder for serving.md; without it the tables are only printed")
    arguments = parser.parse_args()
    parts = [
        f"# {SMALL.about}, one image per request",
        "",
        *compare_with_mlflow(arguments.seconds, arguments.rounds),
        "",
        f"# {WIDE.about}, binary tensors",
        "",
        *compare_with_onnxruntime(arguments.seconds, arguments.rounds),
    ]
    text = "\n".join(parts) + "\n"
    print(text)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "serving.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
