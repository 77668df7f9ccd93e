"""All stages on a real server: from data to champion in a clone, and training that resumes after a stop or a kill."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from flows.clone import BRANCH, clone_path
from flows.process import child_environment
from tests.flows.project import Schedule, commit_all, read_artifacts, run_command, write_params
from tests.waiting import WAIT_SECONDS, list_running, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("api")]

STAGES = ("ingest", "validate", "train", "evaluate", "export")


def read_aliases(root: Path) -> dict[str, str]:
    """Return the registry's aliases of the checkout's model."""
    from pipeline.promotion.aliases import Registry
    from pipeline.tracking.mlflow_store import connect

    return Registry(connect(f"sqlite:///{root / 'mlflow.db'}"), "chain-digits").aliases()


def test_from_a_commit_to_a_champion_and_the_next(checkout: Path) -> None:
    from flows.retrain import retrain

    first: Any = retrain(checkout, own_clone=True, service="http://127.0.0.1:8000/", return_state=True)
    assert first.name == "Completed", first.message
    assert first.result() == dict.fromkeys(STAGES, "Ran") | {"promote": "Promoted"}
    assert first.message == "chain-digits version 1 is promoted: the first champion"
    assert read_aliases(checkout) == {"challenger": "1", "champion": "1"}
    artifacts = {artifact.key: artifact for artifact in read_artifacts(first)}
    assert artifacts["retrain"].data.startswith("**chain-digits version 1 is promoted: the first champion**")
    assert '"name": "parity"' in artifacts["promotion"].data
    assert artifacts["samples"].data == "http://127.0.0.1:8000/image.png?seed=7&n=64"
    assert run_command(checkout, "git", "status", "--porcelain") == ""
    assert not (checkout / "models").exists()
    assert json.loads(run_command(checkout, "git", "show", f"{BRANCH}:metrics/promotion.json"))["outcome"] == "promoted"

    again: Any = retrain(checkout, own_clone=True, return_state=True)
    assert set(again.result().values()) == {"Unchanged"}
    assert read_aliases(checkout) == {"challenger": "1", "champion": "1"}

    worse = (
        write_params()
        .replace("diversity: null", "diversity: null\n  require: better")
        .replace("total_images: 3000", "seed: 1\n  total_images: 600")
    )
    (checkout / "params.yaml").write_text(worse)
    commit_all(checkout, "train less")
    second: Any = retrain(checkout, own_clone=True, return_state=True)
    assert second.name == "Not promoted", second.message
    assert second.is_completed()
    assert "version 2 is not promoted: version 1 stays champion" in second.message
    assert read_aliases(checkout) == {"challenger": "2", "champion": "1"}
    third: Any = retrain(checkout, own_clone=True, return_state=True)
    assert (third.name, third.result()["promote"]) == ("Completed", "Unchanged"), (
        "an unchanged verdict is not reported again"
    )


@contextmanager
def serve(root: Path, log: Path) -> Iterator[str]:
    """Run `ganline serve` with the champion and yield its address. It must exit with 0."""
    command = [
        sys.executable,
        "-m",
        "pipeline",
        "serve",
        "--model",
        "models:/chain-digits@champion",
        "--port",
        "0",
        "--poll",
        "0.2",
    ]
    with log.open("wb") as file:
        started = subprocess.Popen(
            command, cwd=root, env=os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{root / 'mlflow.db'}"}, stderr=file
        )
    try:
        wait_until(lambda: '"url":' in log.read_text() or started.poll() is not None, log.read_text)
        address = re.search(r'"url":"([^"]+)"', log.read_text())
        assert address, log.read_text()
        yield address[1]
        started.terminate()
        assert started.wait(WAIT_SECONDS) == 0, log.read_text()
    finally:
        started.kill()
        started.wait()


def repeat_request(url: str, stop: threading.Event, answers: list[tuple[int, str, bytes]]) -> None:
    """Repeat one request until `stop`; append status, model version and image of each answer to `answers`."""
    with httpx.Client(timeout=WAIT_SECONDS) as client:
        while not stop.wait(0.02):
            answer = client.get(f"{url}/image.png?seed=7")
            answers.append((answer.status_code, answer.headers.get("x-model-version", ""), answer.content))


def test_new_data_changes_the_served_image_and_no_client_sees_an_error(checkout: Path, tmp_path: Path) -> None:
    from flows.retrain import retrain

    (checkout / "params.yaml").write_text(write_params(600))
    commit_all(checkout, "little training")
    first: Any = retrain(checkout, own_clone=True, return_state=True)
    assert first.result()["promote"] == "Promoted", first.message
    stop = threading.Event()
    with serve(checkout, tmp_path / "serve.log") as url, ThreadPoolExecutor(4) as pool:
        answers: list[list[tuple[int, str, bytes]]] = [[] for _ in range(4)]
        clients = [pool.submit(repeat_request, url, stop, client) for client in answers]
        try:
            (checkout / "params.yaml").write_text(write_params(6000).replace("limit: 60", "limit: 90"))
            commit_all(checkout, "more data, and more training")
            second: Any = retrain(checkout, own_clone=True, return_state=True)
            assert second.result() == dict.fromkeys(STAGES, "Ran") | {"promote": "Promoted"}, second.message
            wait_until(
                lambda: httpx.get(f"{url}/model.json", timeout=WAIT_SECONDS).json()["version"] == "2",
                (tmp_path / "serve.log").read_text,
            )
            counts = [len(client) for client in answers]
            wait_until(
                lambda: all(len(client) > count + 1 for client, count in zip(answers, counts, strict=True)),
                "a client gets no more answers",
            )
        finally:
            stop.set()
        for running in clients:
            running.result(WAIT_SECONDS)
    images: dict[str, set[bytes]] = {}
    for seen in answers:
        assert {status for status, _, _ in seen} == {200}
        versions = [version for _, version, _ in seen]
        assert versions == sorted(versions), "no client goes back to an older version"
        assert set(versions) == {"1", "2"}
        for _, version, image in seen:
            images.setdefault(version, set()).add(image)
    assert {version: len(variants) for version, variants in images.items()} == {"1": 1, "2": 1}, (
        "a seed gives the same image until the model changes"
    )
    assert images["1"] != images["2"]


@pytest.fixture
def second_pool(schedule: Schedule, checkout: Path) -> Iterator[Callable[[], psutil.Popen]]:
    """Return a function that starts workers on a second pool, for the checkout's deployment retrain/second."""
    (checkout / "prefect.yaml").write_text(
        "name: chain\ndeployments:\n  - {name: second, entrypoint: flows.retrain.retrain, work_pool: {name: second}}\n"
    )
    own = child_environment() | schedule.environment
    for words in (
        ["work-pool", "create", "second", "--type", "process", "--overwrite"],
        ["--no-prompt", "deploy", "--all"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *words],
            cwd=checkout,
            env=own,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    started: list[psutil.Popen] = []

    def start() -> psutil.Popen:
        with (checkout.parent / "worker.log").open("ab") as log:
            words = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "second"]
            worker = psutil.Popen(
                words,
                cwd=checkout,
                env=own | {"GANLINE_CLONES": str(checkout.parent / "clones")},
                stdout=log,
                stderr=log,
            )
        started.append(worker)
        return worker

    yield start
    for worker in started:
        if worker.is_running():
            worker.send_signal(signal.SIGTERM)
            worker.wait(WAIT_SECONDS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_worker_leaves_no_process_and_the_next_resumes(
    checkout: Path, second_pool: Callable[[], psutil.Popen], number: signal.Signals
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.deployments import run_deployment

    (checkout / "params.yaml").write_text(write_params(images=40_000))
    commit_all(checkout, "train for a while")
    parameters = {"root": str(checkout), "own_clone": True}
    worker = second_pool()
    run_deployment("retrain/second", parameters=parameters, timeout=0, as_subflow=False)
    clone = clone_path(str(checkout))
    wait_until(lambda: list(clone.glob(".ganline/checkpoints/*/*.pt")), "no checkpoint is written")
    family = worker.children(recursive=True)
    assert any("train" in process.cmdline() for process in family)
    worker.send_signal(number)
    if number == signal.SIGKILL:
        # As if the machine went down: all processes at once.
        for process in family:
            process.kill()
    wait_until(lambda: not list_running([worker, *family]), "a process survives its worker")
    worker.wait()

    second_pool()
    again: Any = run_deployment("retrain/second", parameters=parameters, timeout=0, as_subflow=False)
    with get_client(sync_client=True) as client:
        wait_until(
            lambda: (state := client.read_flow_run(again.id).state) is not None and state.is_final(),
            "the second run does not end",
        )
        state = client.read_flow_run(again.id).state
        assert state is not None
        assert state.name == "Completed", state.message
    log = (checkout.parent / "worker.log").read_text()
    assert re.search(r"resuming after [\d,]+ images", log), log[-3000:]
    assert read_aliases(checkout)["champion"] == "1"
