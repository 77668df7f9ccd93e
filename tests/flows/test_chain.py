"""The real line on a real server: from data to champion in a clone of its own; a worker that is stopped, a run that is killed, and training that goes on."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from flows.clone import BRANCH, place
from flows.process import environment

if TYPE_CHECKING:
    from tests.flows.conftest import Schedule

Until = Callable[[Callable[[], object], float, str], None]
Alive = Callable[[list[psutil.Process]], list[psutil.Process]]
Command = Callable[..., str]
Commit = Callable[[Path, str], None]
Params = Callable[..., str]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("api"), pytest.mark.timeout(1200)]


def aliases(root: Path) -> dict[str, str]:
    from pipeline.promotion.aliases import Registry
    from pipeline.tracking.mlflow_store import connect

    return Registry(connect(f"sqlite:///{root / 'mlflow.db'}"), "chain-digits").aliases()


def artifacts(state: Any) -> dict[str, Any]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[state.state_details.flow_run_id]))
        )
    return {str(each.key): each for each in found}


def test_from_a_commit_to_a_champion_and_the_next(
    checkout: Path, command: Command, commit: Commit, params: Params
) -> None:
    from flows.retrain import retrain

    first: Any = retrain(checkout, own_clone=True, service="http://127.0.0.1:8000/", return_state=True)
    assert first.name == "Completed", first.message
    assert first.result() == dict.fromkeys(("ingest", "validate", "train", "evaluate", "export"), "Ran") | {
        "promote": "Promoted"
    }
    assert first.message == "chain-digits version 1 is promoted: the first champion"
    assert aliases(checkout) == {"challenger": "1", "champion": "1"}
    found = artifacts(first)
    assert found["retrain"].data.startswith("**chain-digits version 1 is promoted: the first champion**")
    assert '"name": "parity"' in found["promotion"].data
    assert found["samples"].data == "http://127.0.0.1:8000/image.png?seed=7&n=64"
    assert command(checkout, "git", "status", "--porcelain") == ""
    assert not (checkout / "models").exists()
    assert json.loads(command(checkout, "git", "show", f"{BRANCH}:metrics/promotion.json"))["outcome"] == "promoted"

    again: Any = retrain(checkout, own_clone=True, return_state=True)
    assert set(again.result().values()) == {"Unchanged"}
    assert aliases(checkout) == {"challenger": "1", "champion": "1"}

    worse = (
        params()
        .replace("diversity: null", "diversity: null, require: better")
        .replace("total_images: 3000", "seed: 1, total_images: 600")
    )
    (checkout / "params.yaml").write_text(worse)
    commit(checkout, "train less")
    second: Any = retrain(checkout, own_clone=True, return_state=True)
    assert second.name == "Not promoted", second.message
    assert second.is_completed()
    assert "version 2 is not promoted: version 1 stays champion" in second.message
    assert aliases(checkout) == {"challenger": "2", "champion": "1"}
    third: Any = retrain(checkout, own_clone=True, return_state=True)
    assert (third.name, third.result()["promote"]) == ("Completed", "Unchanged"), "nobody is told the same every week"


@contextmanager
def served(root: Path, log: Path) -> Iterator[str]:
    """`ganline serve` of the champion; its address. It must end well."""
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
        deadline = time.monotonic() + 200
        while not (found := re.search(r'"url":"([^"]+)"', log.read_text())):
            assert started.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield found[1]
        started.terminate()
        assert started.wait(60) == 0, log.read_text()
    finally:
        started.kill()
        started.wait()


def hammer(url: str, stop: threading.Event) -> list[tuple[int, str, bytes]]:
    """Status, version and picture of the same request, again and again."""
    answers = []
    with httpx.Client(timeout=60) as client:
        while not stop.wait(0.02):
            answer = client.get(f"{url}/image.png?seed=7")
            answers.append((answer.status_code, answer.headers.get("x-model-version", ""), answer.content))
    return answers


def test_new_data_end_in_another_served_picture_and_no_client_sees_an_error(
    checkout: Path, commit: Commit, params: Params, tmp_path: Path
) -> None:
    from flows.retrain import retrain

    (checkout / "params.yaml").write_text(params(600))
    commit(checkout, "little training")
    first: Any = retrain(checkout, own_clone=True, return_state=True)
    assert first.result()["promote"] == "Promoted", first.message
    stop = threading.Event()
    with served(checkout, tmp_path / "serve.log") as url, ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(hammer, url, stop) for _ in range(4)]
        try:
            (checkout / "params.yaml").write_text(params(6000).replace("limit: 60", "limit: 90"))
            commit(checkout, "more data, and more training")
            second: Any = retrain(checkout, own_clone=True, return_state=True)
            assert second.result() == dict.fromkeys(("ingest", "validate", "train", "evaluate", "export"), "Ran") | {
                "promote": "Promoted"
            }, second.message
            deadline = time.monotonic() + 60
            while httpx.get(f"{url}/model.json").json()["version"] != "2":
                assert time.monotonic() < deadline, (tmp_path / "serve.log").read_text()
                time.sleep(0.1)
            time.sleep(1)
        finally:
            stop.set()
        answers = [client.result(60) for client in clients]
    pictures: dict[str, set[bytes]] = {}
    for seen in answers:
        assert {status for status, _, _ in seen} == {200}
        versions = [version for _, version, _ in seen]
        assert versions == sorted(versions), "nobody is taken back"
        assert set(versions) == {"1", "2"}
        for _, version, picture in seen:
            pictures.setdefault(version, set()).add(picture)
    assert {version: len(found) for version, found in pictures.items()} == {"1": 1, "2": 1}, (
        "the same seed, the same picture, until the model changes"
    )
    assert pictures["1"] != pictures["2"]


@pytest.fixture
def second_pool(schedule: "Schedule", checkout: Path) -> Iterator[Callable[[], psutil.Popen]]:
    """Starts workers on a pool of their own, with the deployment retrain/second of the checkout."""
    (checkout / "prefect.yaml").write_text(
        "name: chain\ndeployments:\n  - {name: second, entrypoint: flows.retrain.retrain, work_pool: {name: second}}\n"
    )
    own = environment() | schedule.environment
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
            worker.wait(60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_worker_leaves_nothing_and_the_next_goes_on(
    checkout: Path,
    commit: Commit,
    params: Params,
    second_pool: Callable[[], psutil.Popen],
    until: Until,
    alive: Alive,
    number: signal.Signals,
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.deployments import run_deployment

    (checkout / "params.yaml").write_text(params(images=40_000))
    commit(checkout, "train for a while")
    parameters = {"root": str(checkout), "own_clone": True}
    worker = second_pool()
    run_deployment("retrain/second", parameters=parameters, timeout=0, as_subflow=False)
    clone = place(str(checkout))
    until(lambda: list(clone.glob(".ganline/checkpoints/*/*.pt")), 300, "a checkpoint")
    family = worker.children(recursive=True)
    assert any("train" in process.cmdline() for process in family)
    worker.send_signal(number)
    if number == signal.SIGKILL:
        # The machine went down: everything at once.
        for process in family:
            process.kill()
    worker.wait(120)
    until(lambda: not alive(family), 60, "everything to end")

    second_pool()
    again: Any = run_deployment("retrain/second", parameters=parameters, timeout=0, as_subflow=False)
    with get_client(sync_client=True) as client:
        until(
            lambda: (state := client.read_flow_run(again.id).state) is not None and state.is_final(),
            500,
            "the second run to end",
        )
        state = client.read_flow_run(again.id).state
        assert state is not None
        assert state.name == "Completed", state.message
    log = (checkout.parent / "worker.log").read_text()
    assert re.search(r"going on after [\d,]+ images", log), log[-3000:]
    assert aliases(checkout)["champion"] == "1"
