"""Order, states and failures, from a real DVC."""

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flows.process import environment
from flows.stages import RAN, RESTORED, UNCHANGED, ProjectError, StageFailed, in_order, metrics, reproduce

if TYPE_CHECKING:
    from tests.flows.conftest import Project


def ignore(_line: str) -> None:
    pass


def test_the_order_is_dvc_s_not_the_file_s(project: "Project") -> None:
    assert in_order(project.root) == ["first", "train", "report"]


def test_foreach_stages_and_data_files(project: "Project") -> None:
    project.dvc("add", "--quiet", "seed.txt")
    project.write(
        "stages:\n  one:\n    foreach: [a, b]\n    do:\n      cmd: cp seed.txt ${item}\n      deps: [seed.txt]\n      outs: ['${item}']\n"
    )
    assert sorted(in_order(project.root)) == ["one@a", "one@b"]
    assert reproduce(project.root, "one@b", ignore).state == RAN


@pytest.mark.parametrize(
    ("dvc_yaml", "said"),
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
def test_a_pipeline_that_cannot_be_read_says_why(project: "Project", dvc_yaml: str | None, said: str) -> None:
    if dvc_yaml is None:
        (project.root / "dvc.yaml").unlink()
    else:
        project.write(dvc_yaml)
    with pytest.raises(ProjectError, match=said):
        in_order(project.root)


def test_a_folder_without_dvc(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=str(tmp_path)):
        in_order(tmp_path)


def test_states_follow_dvc(project: "Project") -> None:
    log: list[str] = []
    assert reproduce(project.root, "first", log.append).state == RAN
    assert "hello from first" in log
    assert reproduce(project.root, "train", log.append).state == RAN
    assert reproduce(project.root, "train", ignore).state == UNCHANGED
    (project.root / "model.txt").unlink()
    assert reproduce(project.root, "train", ignore).state == RESTORED
    assert project.trainings == 1


def test_what_a_stage_prints_does_not_decide_its_state(project: "Project") -> None:
    project.one_stage("""echo "Stage 'a' didn't change, skipping\"""")
    assert reproduce(project.root, "a", ignore).state == RAN


def failing(project: "Project", command: str) -> StageFailed:
    project.one_stage(command)
    with pytest.raises(StageFailed) as caught:
        reproduce(project.root, "a", ignore)
    return caught.value


def test_a_failing_stage_gives_its_own_message_and_code(project: "Project") -> None:
    failure = failing(
        project, "echo noise; echo 'ganline: data/raw has 3 images' >&2; echo '  put more there' >&2; exit 3"
    )
    assert (failure.exit_code, failure.message) == (3, "data/raw has 3 images\n  put more there")
    assert str(failure) == "a: the data was rejected (exit 3): data/raw has 3 images\n  put more there"


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [("exit 5", 5, "the gate refused"), ("exit 1", 1, "failed (exit 1)"), ("kill -9 $$", -9, "signal 9")],
)
def test_exit_codes_in_words(project: "Project", command: str, code: int, words: str) -> None:
    failure = failing(project, command)
    assert failure.exit_code == code
    assert words in failure.reason


def test_a_missing_dependency_is_dvc_s_failure_not_the_stage_s(project: "Project") -> None:
    with pytest.raises(StageFailed, match="DVC could not run it") as caught:
        reproduce(project.root, "report", ignore)
    assert caught.value.exit_code is None
    assert "model.txt" in caught.value.message


def test_it_waits_for_a_running_dvc(project: "Project") -> None:
    project.write(
        "stages:\n  a:\n    cmd: touch began && sleep 3 && cp seed.txt out.txt\n    deps: [seed.txt]\n    outs: [out.txt]\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "a"], cwd=project.root, env=environment(), stdout=subprocess.DEVNULL
    )
    while not (project.root / "began").exists():
        assert other.poll() is None
        time.sleep(0.05)
    assert reproduce(project.root, "a", ignore).state == UNCHANGED
    assert other.wait() == 0


def test_metrics_are_those_of_dvc_yaml_and_absent_ones_are_left_out(project: "Project") -> None:
    assert metrics(project.root) == {}
    project.dvc("repro", "--quiet")
    assert metrics(project.root) == {"metrics/m.json": {"fid": 1.5, "verdict": "pass"}}
