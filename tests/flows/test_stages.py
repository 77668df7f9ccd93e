"""Order, states and failures of stages in a real DVC project."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.process import child_environment
from flows.stages import RAN, RESTORED, UNCHANGED, ProjectError, StageFailed, list_stages, read_metrics, reproduce
from tests.flows.project import Project
from tests.waiting import wait_until


def ignore(_line: str) -> None:
    """Drop a line of the log."""


def test_the_order_is_dvc_s_not_the_file_s(project: Project) -> None:
    assert list_stages(project.root) == ["first", "train", "report"]


def test_foreach_stages_and_data_files(project: Project) -> None:
    project.dvc("add", "--quiet", "seed.txt")
    project.write(
        "stages:\n  one:\n    foreach: [a, b]\n"
        "    do:\n      cmd: cp seed.txt ${item}\n      deps: [seed.txt]\n      outs: ['${item}']\n"
    )
    assert sorted(list_stages(project.root)) == ["one@a", "one@b"]
    assert reproduce(project.root, "one@b", ignore).state == RAN


@pytest.mark.parametrize(
    ("dvc_yaml", "message"),
    [
        (None, "no stages found"),
        ("stages:\n  a:\n    cmd: echo ${nothing}\n", "nothing"),
        ("stages: [", "dvc.yaml"),
        (
            "stages:\n  a: {cmd: x, deps: [p], outs: [q]}\n  b: {cmd: x, deps: [q], outs: [p]}\n",
            "both a dependency and an output",
        ),
    ],
)
def test_a_pipeline_that_cannot_be_read_is_an_error(project: Project, dvc_yaml: str | None, message: str) -> None:
    if dvc_yaml is None:
        (project.root / "dvc.yaml").unlink()
    else:
        project.write(dvc_yaml)
    with pytest.raises(ProjectError, match=message):
        list_stages(project.root)


def test_a_folder_without_dvc(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=str(tmp_path)):
        list_stages(tmp_path)


def test_states_follow_dvc(project: Project) -> None:
    log: list[str] = []
    assert reproduce(project.root, "first", log.append).state == RAN
    assert "hello from first" in log
    assert reproduce(project.root, "train", log.append).state == RAN
    assert reproduce(project.root, "train", ignore).state == UNCHANGED
    (project.root / "model.txt").unlink()
    assert reproduce(project.root, "train", ignore).state == RESTORED
    assert project.trainings == 1


def test_the_output_of_a_stage_does_not_decide_its_state(project: Project) -> None:
    project.one_stage("""echo "Stage 'a' didn't change, skipping\"""")
    assert reproduce(project.root, "a", ignore).state == RAN


def run_failing(project: Project, command: str) -> StageFailed:
    """Run a stage that fails, and return the failure."""
    project.one_stage(command)
    with pytest.raises(StageFailed) as caught:
        reproduce(project.root, "a", ignore)
    return caught.value


def test_a_failing_stage_gives_its_own_message_and_code(project: Project) -> None:
    failure = run_failing(
        project, "echo noise; echo 'ganline: data/raw has 3 images' >&2; echo '  put more there' >&2; exit 3"
    )
    assert (failure.exit_code, failure.message) == (3, "data/raw has 3 images\n  put more there")
    assert str(failure) == "a: the data was rejected (exit 3): data/raw has 3 images\n  put more there"


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [("exit 5", 5, "the gate refused"), ("exit 1", 1, "failed (exit 1)"), ("kill -9 $$", -9, "signal 9")],
)
def test_exit_codes_in_words(project: Project, command: str, code: int, words: str) -> None:
    failure = run_failing(project, command)
    assert failure.exit_code == code
    assert words in failure.reason


def test_a_missing_dependency_is_dvc_s_failure_not_the_stage_s(project: Project) -> None:
    with pytest.raises(StageFailed, match="DVC could not run it") as caught:
        reproduce(project.root, "report", ignore)
    assert caught.value.exit_code is None
    assert "model.txt" in caught.value.message


def test_it_waits_for_a_running_dvc(project: Project) -> None:
    # The other DVC run holds the stage until this one has been refused.
    wait = "touch began; while ! test -e refused; do sleep 0.1; done; cp seed.txt out.txt"
    project.write(f"stages:\n  a:\n    cmd: {wait}\n    deps: [seed.txt]\n    outs: [out.txt]\n")
    command = [sys.executable, "-m", "dvc", "repro", "a"]
    other = subprocess.Popen(command, cwd=project.root, env=child_environment(), stdout=subprocess.DEVNULL)
    wait_until(lambda: (project.root / "began").exists() or other.poll() is not None, "the other run does not start")
    assert other.poll() is None

    def log(line: str) -> None:
        if "another DVC run holds the files" in line:
            (project.root / "refused").touch()

    assert reproduce(project.root, "a", log).state == UNCHANGED
    assert other.wait() == 0


def test_metrics_are_those_of_dvc_yaml_without_missing_files(project: Project) -> None:
    assert read_metrics(project.root) == {}
    project.dvc("repro", "--quiet")
    assert read_metrics(project.root) == {"metrics/m.json": {"fid": 1.5, "verdict": "pass"}}
