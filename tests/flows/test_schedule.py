"""`make schedule`: a cron schedule that fires, and a cancel that reaches the stage."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]
import pytest

if TYPE_CHECKING:
    from tests.flows.conftest import Project, Schedule

pytestmark = pytest.mark.timeout(600)

Until = Callable[[Callable[[], object], float, str], None]
Alive = Callable[[list[psutil.Process]], list[psutil.Process]]


def flow_runs(deployment: str) -> list[Any]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName

    with get_client(sync_client=True) as client:
        return client.read_flow_runs(deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[deployment])))


@pytest.mark.usefixtures("api")
def test_a_cron_schedule_fires_and_the_worker_runs_the_line(schedule: "Schedule", until: Until) -> None:
    until(lambda: any(run.state.is_final() for run in flow_runs("cron")), 180, "a scheduled run to end")
    run = min((run for run in flow_runs("cron") if run.state.is_final()), key=lambda run: run.expected_start_time)
    assert run.state.name == "Completed", run.state.message
    assert run.auto_scheduled
    assert schedule.project.trainings == 1
    assert "up to date" in schedule.project.dvc("repro")


@pytest.mark.usefixtures("api")
def test_a_cancel_ends_the_stage(project: "Project", until: Until, alive: Alive) -> None:
    from prefect.client.orchestration import get_client
    from prefect.deployments import run_deployment
    from prefect.states import Cancelling

    project.one_stage("(sleep 299 & echo $! > grandchild; wait)\ntouch finished", "train")
    run: Any = run_deployment("retrain/manual", parameters={"root": str(project.root)}, timeout=0, as_subflow=False)
    grandchild = project.root / "grandchild"
    until(lambda: grandchild.exists() and grandchild.read_text().strip(), 90, "the stage to run")
    process = psutil.Process(int(grandchild.read_text()))
    family = [process, *process.parents()[:3]]
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Cancelling())
        until(lambda: not alive([process]), 60, "the stage to end")
        until(
            lambda: (state := client.read_flow_run(run.id).state) and state.is_cancelled(),
            60,
            "the run to be recorded as cancelled",
        )
    until(lambda: not alive(family), 15, "the stage's parents to end")
    assert not (project.root / "finished").exists()


@pytest.mark.usefixtures("api")
def test_the_project_s_own_deployments(schedule: "Schedule", tmp_path: Path) -> None:
    """prefect.yaml as it is: what it says is what the server has."""
    from prefect.client.orchestration import get_client

    from flows.process import environment

    shutil.copy(Path(__file__).parents[2] / "prefect.yaml", tmp_path)
    deploy = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(
        deploy, cwd=tmp_path, env=environment() | schedule.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with get_client(sync_client=True) as client:
        found = {name: client.read_deployment_by_name(name) for name in ("retrain/weekly", "watch/data")}
        try:
            for deployment in found.values():
                assert deployment.parameters["own_clone"] is True
                assert deployment.global_concurrency_limit is not None
                assert deployment.global_concurrency_limit.limit == 1
                assert deployment.concurrency_options is not None
                assert deployment.concurrency_options.collision_strategy.value == "CANCEL_NEW"
            weekly = found["retrain/weekly"]
            assert str(weekly.schedules[0].schedule.cron) == "0 3 * * 0"  # type: ignore[union-attr]
            automations = client._client.post("/automations/filter", json={}).json()
            (mine,) = [
                one
                for one in automations
                if any(action.get("deployment_id") == str(weekly.id) for action in one["actions"])
            ]
            assert sorted(mine["trigger"]["expect"]) == ["ganline.data.drift", "ganline.data.new"]
        finally:
            for deployment in found.values():
                client.delete_deployment(deployment.id)


def test_outside_a_project_it_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.schedule"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        2,
        f"schedule: {tmp_path}: no prefect.yaml here; run in the project's root\n",
    )
