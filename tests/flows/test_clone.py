"""A run's own clone: the person's checkout stays as it is, whatever happens in the clone."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flows.clone import BRANCH, Busy, deliver, place, workspace
from flows.stages import RESTORED, UNCHANGED, ProjectError, ganline, reproduce

if TYPE_CHECKING:
    from tests.flows.conftest import Project


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(folder: Path, message: str = "x") -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


@pytest.fixture
def source(make_project: Callable[[], "Project"], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A project in git, with data that git does not carry."""
    monkeypatch.setenv("GANLINE_CLONES", str(tmp_path / "clones"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = make_project().root
    git(root, "init", "--quiet", "--initial-branch", "main")
    (root / ".dvc" / "config").write_text("")
    (root / "data" / "raw").mkdir(parents=True)
    (root / "data" / "raw" / ".gitignore").write_text("*\n!.gitignore\n")
    (root / ".gitignore").write_text("/data.txt\n/model.txt\n/mlflow.db\n")
    (root / "params.yaml").write_text("data: {watch: data/raw}\n")
    (root / "dvc.yaml").write_text((root / "dvc.yaml").read_text().replace("params: [rate]", "params: [data.watch]"))
    (root / "data" / "raw" / "one.txt").write_text("one")
    (root / "data" / "raw" / "class").mkdir()
    (root / "data" / "raw" / "class" / "two.txt").write_text("two")
    commit(root)
    return root


def snapshot(folder: Path) -> dict[str, str]:
    """Every file of a checkout but git's own."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts[:1]]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if "cache" not in path.parts and "tmp" not in path.parts
    }


def run_all(root: Path) -> dict[str, str]:
    return {stage: reproduce(root, stage, lambda line: None).state for stage in ("first", "train", "report")}


def test_a_run_leaves_the_checkout_alone_and_its_results_on_a_branch(source: Path) -> None:
    (source / "seed.txt").write_text("2.5\n")
    (source / "notes.txt").write_text("not committed\n")
    before, head = snapshot(source), git(source, "rev-parse", "HEAD")
    with workspace(source, own_clone=True) as work:
        assert work.root != source
        assert (work.root / "seed.txt").read_text() == "1.5\n", "what is committed counts"
        assert (work.root / "data" / "raw" / "one.txt").stat().st_ino == (
            source / "data" / "raw" / "one.txt"
        ).stat().st_ino
        assert (work.root / "data" / "raw" / "class" / "two.txt").read_text() == "two"
        assert work.settings["MLFLOW_TRACKING_URI"] == f"sqlite:///{source}/mlflow.db"
        run_all(work.root)
        assert deliver(work, "first run")
        assert deliver(work, "again") is None
    assert snapshot(source) == before
    assert git(source, "rev-parse", "HEAD", "--abbrev-ref", "HEAD").split() == [head, "main"]
    assert "train" in git(source, "show", f"{BRANCH}:dvc.lock")
    assert git(source, "show", f"{BRANCH}:metrics/m.json") == '{"fid":1.5,"verdict":"pass"}'
    assert git(source, "log", "-1", "--format=%an %s", BRANCH) == "ganline first run"
    with workspace(source, own_clone=True) as work:
        assert run_all(work.root) == dict.fromkeys(("first", "train", "report"), UNCHANGED), (
            "the last run's results are there"
        )


def test_the_cache_is_shared_both_ways(source: Path) -> None:
    with workspace(source, own_clone=True) as work:
        run_all(work.root)
    assert reproduce(source, "first", lambda line: None).state == RESTORED
    assert reproduce(source, "train", lambda line: None).state == RESTORED


def test_new_commits_and_data_are_followed_and_a_killed_run_s_remains_are_not(source: Path) -> None:
    with workspace(source, own_clone=True) as work:
        run_all(work.root)
        deliver(work, "one")
        (work.root / "seed.txt").write_text("half a run")
        (work.root / ".git" / "index.lock").touch()
        (work.root / ".ganline").mkdir()
        (work.root / ".ganline" / "checkpoint").write_text("kept")
    (source / "seed.txt").write_text("3.5\n")
    (source / "data" / "raw" / "one.txt").unlink()
    (source / "data" / "raw" / "three.txt").write_text("three")
    commit(source, "new seed")
    with workspace(source, own_clone=True) as work:
        assert (work.root / "seed.txt").read_text() == "3.5\n"
        assert sorted(path.name for path in (work.root / "data" / "raw").rglob("*.txt")) == ["three.txt", "two.txt"]
        assert (work.root / ".ganline" / "checkpoint").read_text() == "kept"
        run_all(work.root)
        assert deliver(work, "two")
    assert git(source, "show", f"{BRANCH}:metrics/m.json") == '{"fid":3.5,"verdict":"pass"}'
    assert git(source, "merge-base", "--is-ancestor", "main", BRANCH) == ""
    history = git(source, "log", "--format=%s", BRANCH).splitlines()
    assert {"one", "two", "new seed"} <= set(history)


def test_another_branch_can_be_followed(source: Path) -> None:
    git(source, "checkout", "--quiet", "-b", "next")
    (source / "seed.txt").write_text("7.5\n")
    commit(source)
    git(source, "checkout", "--quiet", "main")
    with workspace(source, own_clone=True, branch="next") as work:
        assert (work.root / "seed.txt").read_text() == "7.5\n"
    with pytest.raises(ProjectError, match="git checkout failed"), workspace(source, own_clone=True, branch="nowhere"):
        pass


def test_one_run_at_a_time(source: Path) -> None:
    with (
        workspace(source, own_clone=True),
        pytest.raises(Busy, match=f"process {os.getpid()} is retraining"),
        workspace(source, own_clone=True),
    ):
        pass


def test_an_address_has_a_clone_with_a_store_of_its_own(source: Path) -> None:
    with workspace(source.as_uri(), own_clone=True) as work:
        assert "MLFLOW_TRACKING_URI" not in work.settings
        (work.root / "metrics").mkdir()
        (work.root / "metrics" / "m.json").write_text("{}")
        assert deliver(work, "from afar")
    assert "from afar" in git(source, "log", "-1", "--format=%s", BRANCH)
    assert place(source.as_uri()) != place(str(source))


def test_what_cannot_be_cloned_says_why(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="needs a git repository with a commit"), workspace(tmp_path, own_clone=True):
        pass
    with (
        pytest.raises(ProjectError, match="is not the root of its repository"),
        workspace(source / "data", own_clone=True),
    ):
        pass
    with pytest.raises(ProjectError, match="git clone failed"), workspace("file:///nowhere/at/all", own_clone=True):
        pass
    git(source, "checkout", "--quiet", "-b", BRANCH)
    with pytest.raises(ProjectError, match=f"has {BRANCH} checked out"), workspace(source, own_clone=True):
        pass


def test_the_clone_s_own_code_runs(source: Path) -> None:
    package = source / "pipeline"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("print('code of the clone', __file__)\n")
    commit(source)
    lines: list[str] = []
    with workspace(source, own_clone=True) as work:
        ganline(work.root, ["anything"], lines.append, work.settings)
        assert lines == [f"code of the clone {work.root / 'pipeline' / '__main__.py'}"]
