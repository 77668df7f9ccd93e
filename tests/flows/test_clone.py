"""A run's own clone: nothing that happens in it changes the person's checkout."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.clone import BRANCH, CloneBusy, clone_path, open_workspace, push_results
from flows.stages import RAN, RESTORED, UNCHANGED, ProjectError, reproduce, run_ganline
from tests.flows.project import Project, run_command

ROOT = Path(__file__).parents[2]


def git(folder: Path, *arguments: str) -> str:
    """Run git and return its output."""
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(folder: Path, message: str = "x") -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


@pytest.fixture
def source(make_project: Callable[[], Project], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A project in git, with data that git does not track."""
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
    """Return the digests of all files of a checkout, except git's own, caches and temporary ones."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts[:1]]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if "cache" not in path.parts and "tmp" not in path.parts
    }


def run_all(root: Path) -> dict[str, str]:
    """Run the three stages and return their states."""
    return {stage: reproduce(root, stage, lambda line: None).state for stage in ("first", "train", "report")}


def test_a_run_leaves_the_checkout_alone_and_its_results_on_a_branch(source: Path) -> None:
    (source / "seed.txt").write_text("2.5\n")
    (source / "notes.txt").write_text("not committed\n")
    before, head = snapshot(source), git(source, "rev-parse", "HEAD")
    with open_workspace(source, own_clone=True) as work:
        assert work.root != source
        assert (work.root / "seed.txt").read_text() == "1.5\n", "the commit counts, not the working tree"
        assert (work.root / "data" / "raw" / "one.txt").stat().st_ino == (
            source / "data" / "raw" / "one.txt"
        ).stat().st_ino
        assert (work.root / "data" / "raw" / "class" / "two.txt").read_text() == "two"
        assert work.settings["MLFLOW_TRACKING_URI"] == f"sqlite:///{source}/mlflow.db"
        run_all(work.root)
        assert push_results(work, "first run")
        assert push_results(work, "again") is None
    assert snapshot(source) == before
    assert git(source, "rev-parse", "HEAD", "--abbrev-ref", "HEAD").split() == [head, "main"]
    assert "train" in git(source, "show", f"{BRANCH}:dvc.lock")
    assert git(source, "show", f"{BRANCH}:metrics/m.json") == '{"fid":1.5,"verdict":"pass"}'
    assert git(source, "log", "-1", "--format=%an %s", BRANCH) == "ganline first run"
    with open_workspace(source, own_clone=True) as work:
        assert run_all(work.root) == dict.fromkeys(("first", "train", "report"), UNCHANGED), (
            "the clone has the last run's results"
        )


def test_the_cache_is_shared_both_ways(source: Path) -> None:
    with open_workspace(source, own_clone=True) as work:
        run_all(work.root)
    assert reproduce(source, "first", lambda line: None).state == RESTORED
    assert reproduce(source, "train", lambda line: None).state == RESTORED


def test_the_clone_follows_new_commits_and_data_and_drops_what_a_killed_run_left(source: Path) -> None:
    with open_workspace(source, own_clone=True) as work:
        run_all(work.root)
        push_results(work, "one")
        (work.root / "seed.txt").write_text("half a run")
        (work.root / ".git" / "index.lock").touch()
        (work.root / ".ganline").mkdir()
        (work.root / ".ganline" / "checkpoint").write_text("kept")
    (source / "seed.txt").write_text("3.5\n")
    (source / "data" / "raw" / "one.txt").unlink()
    (source / "data" / "raw" / "three.txt").write_text("three")
    commit(source, "new seed")
    with open_workspace(source, own_clone=True) as work:
        assert (work.root / "seed.txt").read_text() == "3.5\n"
        assert sorted(path.name for path in (work.root / "data" / "raw").rglob("*.txt")) == ["three.txt", "two.txt"]
        assert (work.root / ".ganline" / "checkpoint").read_text() == "kept"
        run_all(work.root)
        assert push_results(work, "two")
    assert git(source, "show", f"{BRANCH}:metrics/m.json") == '{"fid":3.5,"verdict":"pass"}'
    assert git(source, "merge-base", "--is-ancestor", "main", BRANCH) == ""
    history = git(source, "log", "--format=%s", BRANCH).splitlines()
    assert {"one", "two", "new seed"} <= set(history)


def test_it_can_follow_another_branch(source: Path) -> None:
    git(source, "checkout", "--quiet", "-b", "next")
    (source / "seed.txt").write_text("7.5\n")
    commit(source)
    git(source, "checkout", "--quiet", "main")
    with open_workspace(source, own_clone=True, branch="next") as work:
        assert (work.root / "seed.txt").read_text() == "7.5\n"
    missing = open_workspace(source, own_clone=True, branch="nowhere")
    with pytest.raises(ProjectError, match="git checkout failed"), missing:
        pass


def test_one_run_at_a_time(source: Path) -> None:
    with (
        open_workspace(source, own_clone=True),
        pytest.raises(CloneBusy, match=f"process {os.getpid()} is retraining"),
        open_workspace(source, own_clone=True),
    ):
        pass


def test_the_clone_of_an_address_uses_its_own_store(source: Path) -> None:
    with open_workspace(source.as_uri(), own_clone=True) as work:
        assert "MLFLOW_TRACKING_URI" not in work.settings
        (work.root / "metrics").mkdir()
        (work.root / "metrics" / "m.json").write_text("{}")
        assert push_results(work, "from afar")
    assert "from afar" in git(source, "log", "-1", "--format=%s", BRANCH)
    assert clone_path(source.as_uri()) != clone_path(str(source))


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "sqlite:///stores/team.db", "http://127.0.0.1:5000"])
def test_a_relative_store_is_that_of_the_checkout(source: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with open_workspace(source, own_clone=True) as work:
        assert work.settings["MLFLOW_TRACKING_URI"] == uri.replace("sqlite:///", f"sqlite:///{source}/")
    monkeypatch.chdir(source.parent)
    with open_workspace(source.as_uri(), own_clone=True) as work:
        assert work.settings["MLFLOW_TRACKING_URI"] == uri.replace("sqlite:///", f"sqlite:///{source.parent}/")


@pytest.fixture
def bare(source: Path, tmp_path: Path) -> str:
    """Return the address of a bare repository of `source`, whose data and results are shared through a DVC remote."""
    (source / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    run_command(source, "dvc", "remote", "add", "--default", "store", str(tmp_path / "remote"))
    (source / "data" / "raw" / ".gitignore").write_text((ROOT / "data" / "raw" / ".gitignore").read_text())
    run_command(source, "dvc", "add", "--quiet", "data/raw/one.txt")
    commit(source, "share data")
    run_command(source, "dvc", "push", "--quiet")
    run_command(tmp_path, "git", "clone", "--quiet", "--bare", str(source), "bare.git")
    shutil.rmtree(source)
    return (tmp_path / "bare.git").as_uri()


@pytest.mark.slow
def test_machines_share_an_address_and_a_dvc_remote(bare: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines that share nothing else: the second pulls data and results, and runs nothing."""
    for machine, states in (("one", {RAN}), ("two", {UNCHANGED})):
        monkeypatch.setenv("GANLINE_CLONES", str(tmp_path / machine))
        with open_workspace(bare, own_clone=True) as work:
            assert (work.root / "data" / "raw" / "one.txt").read_text() == "one"
            assert set(run_all(work.root).values()) == states
            assert bool(push_results(work, f"by {machine}")) == (machine == "one")
    trainings = (tmp_path / "one" / "trainings.log").read_text()
    assert trainings == "trained\n"
    assert not (tmp_path / "two" / "trainings.log").exists()

    shutil.rmtree(tmp_path / "remote")
    (tmp_path / "remote").write_text("not a folder")
    monkeypatch.setenv("GANLINE_CLONES", str(tmp_path / "three"))
    with pytest.raises(ProjectError, match="dvc pull failed"), open_workspace(bare, own_clone=True):
        pass


def test_a_source_that_cannot_be_cloned_is_an_error(source: Path, tmp_path: Path) -> None:
    def check(root: Path | str, message: str) -> None:
        with pytest.raises(ProjectError, match=message), open_workspace(root, own_clone=True):
            pass

    check(tmp_path, "needs a git repository with a commit")
    check(source / "data", "is not the root of its git repository")
    check("file:///nowhere/at/all", "git clone failed")
    git(source, "checkout", "--quiet", "-b", BRANCH)
    check(source, f"has {BRANCH} checked out")


def test_the_clone_s_own_code_runs(source: Path) -> None:
    package = source / "pipeline"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("print('code of the clone', __file__)\n")
    commit(source)
    lines: list[str] = []
    with open_workspace(source, own_clone=True) as work:
        run_ganline(work.root, ["anything"], lines.append, work.settings)
        assert lines == [f"code of the clone {work.root / 'pipeline' / '__main__.py'}"]
