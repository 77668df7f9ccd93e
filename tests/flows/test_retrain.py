"""The flow `retrain` on a real Prefect server: states, failures, retries, and what a killed run leaves."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from flows.process import child_environment
from tests.flows.project import Project, Schedule, read_artifacts, read_task_runs
from tests.waiting import list_running, wait_until

pytestmark = pytest.mark.usefixtures("api")


def run_flow(project: Project) -> Any:
    """Run the flow in this process and return its final state."""
    from flows.retrain import retrain

    return retrain(project.root, promote=False, return_state=True)


def read_page(flow_state: Any) -> str:
    """Return the Markdown page of a run that has no other artifact."""
    (page,) = read_artifacts(flow_state)
    assert page.type == "markdown"
    return str(page.data)


def read_states(flow_state: Any, stages: int) -> dict[str, str]:
    """Return the states of the run's tasks, once the server has recorded the end of `stages` of them."""

    def all_ended() -> bool:
        runs = read_task_runs(flow_state).values()
        ended: int = sum(run.state is not None and run.state.is_final() for run in runs)
        return ended == stages

    # Task states reach the server's tables through its event queue, shortly after the flow ends.
    wait_until(all_ended, "the task runs are not recorded")
    return {name: run.state.name for name, run in read_task_runs(flow_state).items()}


def test_states_are_dvc_s_and_the_flow_and_repro_agree(project: Project) -> None:
    first = run_flow(project)
    assert first.result() == {"first": "Ran", "train": "Ran", "report": "Ran"}
    assert read_states(first, 3) == {"first": "Ran", "train": "Ran", "report": "Ran"}
    assert "| `fid` | 1.5 |" in read_page(first)
    assert "up to date" in project.dvc("repro")

    project.set_rate(0.2)
    project.dvc("repro")
    assert run_flow(project).result() == {"first": "Unchanged", "train": "Unchanged", "report": "Unchanged"}

    project.set_rate(0.1)
    reverted = run_flow(project)
    assert read_states(reverted, 3) == {"first": "Unchanged", "train": "Restored", "report": "Unchanged"}
    assert project.trainings == 2


def test_rejected_data_stops_the_run_with_its_message(project: Project) -> None:
    (project.root / "refuse.sh").write_text("echo 'ganline: 3 images are too few' >&2\nexit 3\n")
    project.write(
        (project.root / "dvc.yaml").read_text().replace("cmd: echo trained", "cmd: sh refuse.sh && echo trained")
    )
    state = run_flow(project)
    assert state.is_failed()
    assert state.message == "train: the data was rejected (exit 3): 3 images are too few"
    assert read_states(state, 2) == {"first": "Ran", "train": "Failed"}
    assert read_task_runs(state)["train"].run_count == 1, "a verdict is not retried"
    text = read_page(state)
    assert text.startswith("**`train` stopped the run: the data was rejected (exit 3)**\n\n```\n3 images are too few")


@pytest.mark.parametrize(("stage", "attempts"), [("train", 3), ("evaluate", 1)])
def test_only_training_is_retried(project: Project, monkeypatch: pytest.MonkeyPatch, stage: str, attempts: int) -> None:
    from flows import retrain

    monkeypatch.setattr(retrain, "run_stage", retrain.run_stage.with_options(retry_delay_seconds=0))
    project.one_stage("echo attempt >> attempts\nexit 1", stage)
    # Two commands: DVC stops at the second.
    assert run_flow(project).is_failed()
    assert len((project.root / "attempts").read_text().split()) == attempts


def test_a_retry_can_succeed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import retrain

    monkeypatch.setattr(retrain, "run_stage", retrain.run_stage.with_options(retry_delay_seconds=0))
    project.one_stage("test -e failed || { touch failed; exit 1; }", "train")
    assert run_flow(project).result() == {"train": "Ran"}


def test_images_of_the_service_are_shown_if_the_model_generates_any(project: Project) -> None:
    from flows.retrain import retrain

    project.one_stage("true")
    for settings, has_image in (
        ("data: {resolution: 32, channels: rgb, fit: keep}\nmodel: {variant: denoise}", False),
        ("model: {variant: dcgan}", True),
    ):
        (project.root / "params.yaml").write_text(f"{settings}\n")
        state = retrain(project.root, promote=False, service="http://127.0.0.1:9", return_state=True)
        types = {artifact.type for artifact in read_artifacts(state)}
        assert types == {"markdown", "image"} if has_image else {"markdown"}, settings


def test_a_folder_without_a_pipeline_fails_with_a_message(project: Project) -> None:
    (project.root / "dvc.yaml").unlink()
    state = run_flow(project)
    assert state.is_failed()
    assert "no stages found" in state.message


SLEEPING = "(sleep 6000 & echo $! > grandchild; wait)\ntouch finished"


def start(project: Project, schedule: Schedule) -> tuple[psutil.Popen, list[psutil.Process]]:
    """Start the flow in its own process; return it and its family once the stage's grandchild sleeps."""
    project.one_stage(SLEEPING, "train")
    command = [sys.executable, "-m", "flows.retrain"]
    flow = psutil.Popen(
        command,
        cwd=project.root,
        env=child_environment() | schedule.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # The shell writes the number of its fork, which executes `sleep` a moment later.
    wait_until(lambda: any(is_sleeping(process) for process in flow.children(recursive=True)), "the stage does not run")
    return flow, flow.children(recursive=True)


def is_sleeping(process: psutil.Process) -> bool:
    """Return whether a process is the stage's grandchild."""
    try:
        return bool(process.cmdline() == ["sleep", "6000"])
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_killed_flow_leaves_no_process_and_the_next_run_works(
    project: Project, schedule: Schedule, number: signal.Signals
) -> None:
    flow, family = start(project, schedule)
    flow.send_signal(number)
    wait_until(lambda: not list_running([flow, *family]), f"the stage survives {number.name}")
    flow.wait()
    assert not (project.root / "finished").exists()
    if number == signal.SIGKILL:
        project.one_stage("echo again", "train")
        assert run_flow(project).result() == {"train": "Ran"}


def test_from_the_command_line_it_exits_with_the_stage_s_code(project: Project, schedule: Schedule) -> None:
    project.one_stage("echo 'ganline: fid too high' >&2; exit 5", "export")
    command = [sys.executable, "-m", "flows.retrain"]
    own = child_environment() | schedule.environment
    done = subprocess.run(command, cwd=project.root, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 5, done.stderr
    assert "fid too high" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_killed_flow_leaves_no_server_that_prefect_started_for_it(project: Project, tmp_path: Path) -> None:
    project.one_stage(SLEEPING, "train")
    own = {name: value for name, value in child_environment().items() if not name.startswith("PREFECT_API")}
    own |= {"PREFECT_HOME": str(tmp_path), "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "600"}
    command = [sys.executable, "-m", "flows.retrain"]
    flow = psutil.Popen(command, cwd=project.root, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until((project.root / "grandchild").exists, "the stage does not run")
    family = flow.children(recursive=True)
    commands = [" ".join(process.cmdline()) for process in family]
    assert any("uvicorn" in command for command in commands), commands
    flow.send_signal(signal.SIGKILL)
    wait_until(lambda: not list_running([flow, *family]), "the server or the stage survives the flow")
    flow.wait()


def test_without_a_model_to_promote_it_fails_with_a_message(project: Project) -> None:
    """The project has stages that DVC runs, but its params.yaml is not ganline's."""
    from flows.retrain import retrain

    state: Any = retrain(project.root, return_state=True)
    assert state.is_failed()
    assert state.message.startswith("promote: bad parameters or input (exit 2): ")
    assert "rate: unknown key" in state.message
