"""`make schedule`: a schedule that fires, a cancellation that reaches the stage, and the project's own deployments."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from ruamel.yaml import YAML

from flows.process import child_environment
from tests.flows.project import Project, Schedule, read_flow_runs, run_command
from tests.waiting import list_running, wait_until

ROOT = Path(__file__).parents[2]


@pytest.mark.usefixtures("api")
def test_a_schedule_fires_and_the_worker_runs_all_stages(schedule: Schedule) -> None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        timed = client.read_deployment_by_name("retrain/timed")
        (timer,) = timed.schedules
        client.update_deployment_schedule(timed.id, timer.id, active=True)
        wait_until(
            lambda: any(not run.state.is_scheduled() for run in read_flow_runs("timed")), "the schedule does not fire"
        )
        client.update_deployment_schedule(timed.id, timer.id, active=False)
    wait_until(
        lambda: all(run.state.is_final() for run in read_flow_runs("timed") if not run.state.is_scheduled()),
        "the scheduled run does not end",
    )
    runs = [run for run in read_flow_runs("timed") if run.state.is_final()]
    first = min(runs, key=lambda run: run.expected_start_time)
    assert first.state.name == "Completed", first.state.message
    assert first.auto_scheduled
    assert schedule.project.trainings == 1
    assert "up to date" in schedule.project.dvc("repro")


@pytest.mark.usefixtures("api")
def test_a_cancellation_ends_the_stage(project: Project) -> None:
    from prefect.client.orchestration import get_client
    from prefect.deployments import run_deployment
    from prefect.states import Cancelling

    project.one_stage("(sleep 6000 & echo $! > grandchild; wait)\ntouch finished", "train")
    run: Any = run_deployment("retrain/manual", parameters={"root": str(project.root)}, timeout=0, as_subflow=False)
    grandchild = project.root / "grandchild"
    wait_until(lambda: grandchild.exists() and grandchild.read_text().strip(), "the stage does not run")
    process = psutil.Process(int(grandchild.read_text()))
    family = [process, *process.parents()[:3]]
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Cancelling())
        wait_until(lambda: not list_running([process]), "the stage survives the cancellation")
        wait_until(
            lambda: (state := client.read_flow_run(run.id).state) and state.is_cancelled(),
            "the run is not recorded as cancelled",
        )
    wait_until(lambda: not list_running(family), "the stage's parents survive the cancellation")
    assert not (project.root / "finished").exists()


@pytest.mark.usefixtures("api")
def test_the_project_s_own_deployments(schedule: Schedule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server has what the project's prefect.yaml says."""
    from prefect.client.orchestration import get_client

    for name, value in schedule.environment.items():
        monkeypatch.setenv(name, value)
    shutil.copy(Path(__file__).parents[2] / "prefect.yaml", tmp_path)
    run_command(tmp_path, sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all")
    with get_client(sync_client=True) as client:
        deployments = {name: client.read_deployment_by_name(name) for name in ("retrain/weekly", "watch/data")}
        try:
            for deployment in deployments.values():
                assert deployment.parameters["own_clone"] is True
                assert deployment.global_concurrency_limit is not None
                assert deployment.global_concurrency_limit.limit == 1
                assert deployment.concurrency_options is not None
                assert deployment.concurrency_options.collision_strategy.value == "CANCEL_NEW"
            weekly = deployments["retrain/weekly"]
            assert str(weekly.schedules[0].schedule.cron) == "0 3 * * 0"  # type: ignore[union-attr]
            automations = client._client.post("/automations/filter", json={}).json()
            (automation,) = [
                one
                for one in automations
                if any(action.get("deployment_id") == str(weekly.id) for action in one["actions"])
            ]
            assert sorted(automation["trigger"]["expect"]) == ["ganline.data.drift", "ganline.data.new"]
        finally:
            for deployment in deployments.values():
                client.delete_deployment(deployment.id)


@pytest.mark.slow
@pytest.mark.usefixtures("api")
def test_the_documented_container_deployment_starts_in_the_image(
    schedule: Schedule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an image and no pull steps, Prefect looks for the flow in /opt/prefect, where nothing is."""
    from prefect.client.orchestration import get_client

    for name, value in schedule.environment.items():
        monkeypatch.setenv(name, value)
    page = (ROOT / "docs" / "guides" / "other-machines.md").read_text()
    block = YAML(typ="safe").load(page.partition("```yaml\n")[2].partition("```")[0])
    document = YAML(typ="safe").load(ROOT / "prefect.yaml")
    weekly = document["deployments"][0] | block | {"name": "container"}
    weekly["work_pool"]["name"] = "ganline"  # pools of type docker need a package that is not installed
    del weekly["triggers"], weekly["schedules"]
    with (tmp_path / "prefect.yaml").open("w") as file:
        YAML(typ="safe").dump(document | {"deployments": [weekly]}, file)
    run_command(tmp_path, sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all")
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("retrain/container")
        client.delete_deployment(deployment.id)
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert deployment.pull_steps == [
        {"prefect.deployments.steps.set_working_directory": {"directory": "/project"}},
    ]
    assert "WORKDIR /project" in dockerfile
    assert deployment.parameters["own_clone"] is True
    assert "://" in deployment.parameters["root"]
    assert deployment.job_variables["image"] == "ganline"


def test_without_prefect_yaml_it_exits_with_a_message(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flows.schedule"]
    done = subprocess.run(command, cwd=tmp_path, env=child_environment(), capture_output=True, text=True, check=False)
    message = f"schedule: {tmp_path}: no prefect.yaml here. Run in the project's root.\n"
    assert (done.returncode, done.stderr) == (2, message)
