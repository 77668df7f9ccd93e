"""An exported model names the commit of the code that first exported it."""

import subprocess
from pathlib import Path

import pytest

from pipeline.stages.exported_commit import exported_commit, git_commit


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "pipeline").mkdir(parents=True)
    (root / "pipeline" / "code.py").write_text("VALUE = 1\n")
    (root / "weights").write_bytes(b"1")
    commit(root, "first")
    return root


def commit(root: Path, message: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@t")
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "--allow-empty", "-m", message]):
        subprocess.run(["git", "-C", str(root), *command], check=True)


def test_the_commit_stays_while_code_and_weights_are_unchanged(checkout: Path, tmp_path: Path) -> None:
    first = exported_commit(checkout, checkout / "weights", tmp_path / "commits", git_commit)
    assert first == git_commit(checkout)
    commit(checkout, "reworded")
    assert git_commit(checkout) != first
    assert exported_commit(checkout, checkout / "weights", tmp_path / "commits", git_commit) == first


def test_new_weights_or_new_code_name_the_current_commit(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported_commit(checkout, checkout / "weights", tmp_path / "commits", git_commit)
    commit(checkout, "second")
    (checkout / "weights").write_bytes(b"2")
    assert exported_commit(checkout, checkout / "weights", tmp_path / "commits", git_commit) == git_commit(checkout)
    commit(checkout, "third")
    monkeypatch.setattr("pipeline.stages.exported_commit.code_digest", lambda *modules: "another")
    assert exported_commit(checkout, checkout / "weights", tmp_path / "commits", git_commit) == git_commit(checkout)


def test_uncommitted_code_is_dirty_and_without_git_the_commit_is_unknown(checkout: Path, tmp_path: Path) -> None:
    (checkout / "notes.txt").write_text("not code")
    assert not git_commit(checkout).endswith("-dirty")
    (checkout / "pipeline" / "code.py").write_text("VALUE = 2\n")
    assert git_commit(checkout).endswith("-dirty")
    assert git_commit(tmp_path / "absent") == "unknown"
