"""The flow against a real Prefect server: states, failures, retries, and what is left when it is killed."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]
import pytest

from flows.process import environment

if TYPE_CHECKING:
    from tests.flows.conftest import Project, Schedule

Until = Callable[[Callable[[], object], float, str], None]
Alive = Callable[[list[psutil.Process]], list[psutil.Process]]

# The first test also waits for the served schedule to start.
pytestmark = [pytest.mark.usefixtures("api"), pytest.mark.timeout(600)]


def run_flow(project: "Project") -> Any:
    from flows.retrain import retrain

    return retrain(project.root, promote=False, return_state=True)


def task_runs(flow_state: Any) -> dict[str, Any]:
    """Task runs of the flow run that ended in `flow_state`, as the server has them."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    with get_client(sync_client=True) as client:
        found = client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_state.state_details.flow_run_id]))
        )
    return {run.name: run for run in found}


def artifacts(flow_state: Any) -> dict[str, str]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(
                flow_run_id=ArtifactFilterFlowRunId(any_=[flow_state.state_details.flow_run_id])
            )
        )
    return {str(one.type): str(one.data) for one in found}


def artifact(flow_state: Any) -> str:
    found = artifacts(flow_state)
    assert list(found) == ["markdown"]
    return found["markdown"]


def server_states(flow_state: Any, until: Until, stages: int) -> dict[str, str]:
    # Task states reach the server's tables through its event queue, a moment after the flow has ended.
    until(
        lambda: sum(run.state is not None and run.state.is_final() for run in task_runs(flow_state).values()) == stages,
        20,
        "the task runs to be recorded",
    )
    return {name: run.state.name for name, run in task_runs(flow_state).items()}


def test_states_are_dvc_s_and_the_flow_and_repro_agree(project: "Project", until: Until) -> None:
    first = run_flow(project)
    assert first.result() == {"first": "Ran", "train": "Ran", "report": "Ran"}
    assert server_states(first, until, 3) == {"first": "Ran", "train": "Ran", "report": "Ran"}
    assert "| `fid` | 1.5 |" in artifact(first)
    assert "up to date" in project.dvc("repro")

    project.set_rate(0.2)
    project.dvc("repro")
    assert run_flow(project).result() == {"first": "Unchanged", "train": "Unchanged", "report": "Unchanged"}

    project.set_rate(0.1)
    reverted = run_flow(project)
    assert server_states(reverted, until, 3) == {"first": "Unchanged", "train": "Restored", "report": "Unchanged"}
    assert project.trainings == 2


def test_a_rejection_stops_the_run_and_is_said_in_words(project: "Project", until: Until) -> None:
    (project.root / "refuse.sh").write_text("echo 'ganline: 3 images are too few' >&2\nexit 3\n")
    project.write(
        (project.root / "dvc.yaml").read_text().replace("cmd: echo trained", "cmd: sh refuse.sh && echo trained")
    )
    state = run_flow(project)
    assert state.is_failed()
    assert state.message == "train: the data was rejected (exit 3): 3 images are too few"
    assert server_states(state, until, 2) == {"first": "Ran", "train": "Failed"}
    assert task_runs(state)["train"].run_count == 1, "a verdict is not tried again"
    text = artifact(state)
    assert text.startswith("**`train` stopped the run: the data was rejected (exit 3)**\n\n```\n3 images are too few")


@pytest.mark.parametrize(("stage", "attempts"), [("train", 3), ("evaluate", 1)])
def test_only_training_is_tried_again(
    project: "Project", monkeypatch: pytest.MonkeyPatch, stage: str, attempts: int
) -> None:
    from flows import retrain

    monkeypatch.setattr(retrain, "run_stage", retrain.run_stage.with_options(retry_delay_seconds=0))
    project.one_stage("echo tried >> tries\nexit 1", stage)
    # Two commands: DVC stops at the second.
    assert run_flow(project).is_failed()
    assert len((project.root / "tries").read_text().split()) == attempts


def test_a_second_try_can_succeed(project: "Project", monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import retrain

    monkeypatch.setattr(retrain, "run_stage", retrain.run_stage.with_options(retry_delay_seconds=0))
    project.one_stage("test -e tried || { touch tried; exit 1; }", "train")
    assert run_flow(project).result() == {"train": "Ran"}


def test_a_service_shows_pictures_where_its_model_draws_them(project: "Project") -> None:
    from flows.retrain import retrain

    project.one_stage("true")
    for settings, shown in (
        ("data: {resolution: 32, channels: rgb, fit: keep}\nmodel: {variant: denoise}", False),
        ("model: {variant: dcgan}", True),
    ):
        (project.root / "params.yaml").write_text(f"{settings}\n")
        found = artifacts(retrain(project.root, promote=False, service="http://127.0.0.1:9", return_state=True))
        assert ("image" in found, "markdown" in found) == (shown, True), settings


def test_a_folder_without_a_pipeline_fails_in_words(project: "Project") -> None:
    (project.root / "dvc.yaml").unlink()
    state = run_flow(project)
    assert state.is_failed()
    assert "no stages found" in state.message


SLEEPING = "(sleep 300 & echo $! > grandchild; wait)\ntouch finished"


def start(project: "Project", schedule: "Schedule", until: Until) -> tuple[psutil.Popen, list[psutil.Process]]:
    """The flow in a process of its own, while its stage's grandchild sleeps."""
    project.one_stage(SLEEPING, "train")
    command = [sys.executable, "-m", "flows.retrain"]
    flow = psutil.Popen(
        command,
        cwd=project.root,
        env=environment() | schedule.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # The shell writes the number of its fork, which is `sleep` a moment later.
    until(lambda: any(sleeps(process) for process in flow.children(recursive=True)), 60, "the stage to run")
    return flow, flow.children(recursive=True)


def sleeps(process: psutil.Process) -> bool:
    try:
        return bool(process.cmdline() == ["sleep", "300"])
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killing_the_flow_leaves_nothing_and_the_next_run_works(
    project: "Project", schedule: "Schedule", until: Until, alive: Alive, number: signal.Signals
) -> None:
    flow, family = start(project, schedule, until)
    flow.send_signal(number)
    flow.wait(30)
    until(lambda: not alive(family), 15, f"the stage to end after {number.name}")
    assert not (project.root / "finished").exists()
    if number == signal.SIGKILL:
        project.one_stage("echo again", "train")
        assert run_flow(project).result() == {"train": "Ran"}


def test_run_by_hand_exits_with_the_stage_s_code(project: "Project", schedule: "Schedule") -> None:
    project.one_stage("echo 'ganline: fid too high' >&2; exit 5", "export")
    command = [sys.executable, "-m", "flows.retrain"]
    done = subprocess.run(
        command, cwd=project.root, env=environment() | schedule.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 5, done.stderr
    assert "fid too high" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_killed_without_a_server_of_its_own_it_leaves_none(
    project: "Project", until: Until, alive: Alive, tmp_path: Path
) -> None:
    """Prefect starts a server for a run that has none; it must go with the run, which had no chance to end it."""
    project.one_stage(SLEEPING, "train")
    own = {name: value for name, value in environment().items() if not name.startswith("PREFECT_API")}
    own |= {"PREFECT_HOME": str(tmp_path), "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120"}
    command = [sys.executable, "-m", "flows.retrain"]
    flow = psutil.Popen(command, cwd=project.root, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until((project.root / "grandchild").exists, 120, "the stage to run")
    family = flow.children(recursive=True)
    assert any("uvicorn" in " ".join(process.cmdline()) for process in family), [
        process.cmdline() for process in family
    ]
    flow.send_signal(signal.SIGKILL)
    flow.wait(30)
    until(lambda: not alive(family), 60, "the server and the stage to end")


def test_without_a_model_to_promote_the_flow_fails_in_words(project: "Project") -> None:
    """The project has stages that DVC runs, and no params.yaml that ganline understands."""
    from flows.retrain import retrain

    state: Any = retrain(project.root, return_state=True)
    assert state.is_failed()
    assert state.message.startswith("promote: bad parameters or input (exit 2): ")
    assert "rate: unknown key" in state.message
