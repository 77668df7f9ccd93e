"""The real line on a real server: from data to champion in a clone of its own; a worker that is stopped, a run that is killed, and training that goes on."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    from pipeline.mlflow_store import connect
    from pipeline.promotion.registry import Registry

    return Registry(connect(f"sqlite:///{root / 'mlflow.db'}"), "chain-digits").aliases()


def artifacts(state: Any) -> dict[str, Any]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[state.state_details.flow_run_id])))
    return {str(each.key): each for each in found}


def test_from_a_commit_to_a_champion_and_the_next(checkout: Path, command: Command, commit: Commit, params: Params) -> None:
    from flows.retrain import retrain

    first: Any = retrain(checkout, own_clone=True, service="http://127.0.0.1:8000/", return_state=True)
    assert first.name == "Completed", first.message
    assert first.result() == dict.fromkeys(("ingest", "validate", "train", "evaluate", "export"), "Ran") | {"promote": "Promoted"}
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

    worse = params().replace("diversity: null", "diversity: null, require: better").replace("total_images: 3000", "seed: 1, total_images: 600")
    (checkout / "params.yaml").write_text(worse)
    commit(checkout, "train less")
    second: Any = retrain(checkout, own_clone=True, return_state=True)
    assert second.name == "Not promoted", second.message
    assert second.is_completed()
    assert "version 2 is not promoted: version 1 stays champion" in second.message
    assert aliases(checkout) == {"challenger": "2", "champion": "1"}
    third: Any = retrain(checkout, own_clone=True, return_state=True)
    assert (third.name, third.result()["promote"]) == ("Completed", "Unchanged"), "nobody is told the same every week"


@pytest.fixture
def second_pool(schedule: "Schedule", checkout: Path) -> Iterator[Callable[[], psutil.Popen]]:
    """Starts workers on a pool of their own, with the deployment retrain/second of the checkout."""
    (checkout / "prefect.yaml").write_text("name: chain\ndeployments:\n  - {name: second, entrypoint: flows.retrain.retrain, work_pool: {name: second}}\n")
    own = environment() | schedule.environment
    for words in (["work-pool", "create", "second", "--type", "process", "--overwrite"], ["--no-prompt", "deploy", "--all"]):
        done = subprocess.run([sys.executable, "-m", "prefect", *words], cwd=checkout, env=own, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    started: list[psutil.Popen] = []

    def start() -> psutil.Popen:
        with (checkout.parent / "worker.log").open("ab") as log:
            words = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "second"]
            worker = psutil.Popen(words, cwd=checkout, env=own | {"GANLINE_CLONES": str(checkout.parent / "clones")}, stdout=log, stderr=log)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        if worker.is_running():
            worker.send_signal(signal.SIGTERM)
            worker.wait(60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_worker_leaves_nothing_and_the_next_goes_on(
    checkout: Path, commit: Commit, params: Params, second_pool: Callable[[], psutil.Popen], until: Until, alive: Alive, number: signal.Signals
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
        until(lambda: (state := client.read_flow_run(again.id).state) is not None and state.is_final(), 500, "the second run to end")
        state = client.read_flow_run(again.id).state
        assert state is not None
        assert state.name == "Completed", state.message
    log = (checkout.parent / "worker.log").read_text()
    assert re.search(r"going on after [\d,]+ images", log), log[-3000:]
    assert aliases(checkout)["champion"] == "1"
