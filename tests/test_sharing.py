"""Two clones and a DVC remote: raw data are shared with `dvc add`, and the second clone runs nothing."""

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.flows.project import commit_all, run_command

ROOT = Path(__file__).parents[1]

GRAPH = """
stages:
  ingest:
    cmd: ganline ingest
    deps: ["${data.watch}"]
    params: [data]
    outs: [data/dataset]
  train:
    cmd: cp data/dataset/dataset.json model.json && echo trained
    deps: [data/dataset]
    outs: [model.json]
"""


def write_archive(path: Path) -> None:
    """Write an archive with two classes of noise."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(40):
            content = io.BytesIO()
            Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(content, "PNG")
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", content.getvalue())


def make_checkout(root: Path) -> None:
    """Create a repository with the ignore files of this project."""
    (root / "data" / "raw").mkdir(parents=True)
    for name in (".gitignore", ".dvcignore", "data/.gitignore", "data/raw/.gitignore"):
        shutil.copy(ROOT / name, root / name)
    with (root / ".gitignore").open("a") as file:
        file.write("/model.json\n")
    (root / "dvc.yaml").write_text(GRAPH)
    (root / "params.yaml").write_text("data: {source: data/raw/mine.zip, watch: data/raw, resolution: 8}\n")
    run_command(root, "git", "init", "--quiet", "--initial-branch", "main")
    run_command(root, "dvc", "init", "--quiet")
    run_command(root, "dvc", "config", "core.analytics", "false")


@pytest.mark.slow
def test_a_second_clone_pulls_the_raw_data_and_runs_nothing(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    make_checkout(first)
    write_archive(first / "data" / "raw" / "mine.zip")
    run_command(first, "dvc", "add", "data/raw/mine.zip")
    assert "trained" in run_command(first, "dvc", "repro")
    run_command(first, "dvc", "remote", "add", "--default", "store", str(tmp_path / "remote"))
    commit_all(first, "results")
    assert "data/raw/mine.zip.dvc" in run_command(first, "git", "ls-files")
    assert "data/raw/mine.zip" not in run_command(first, "git", "ls-files").splitlines()
    run_command(first, "dvc", "push", "--quiet")

    run_command(tmp_path, "git", "clone", "--quiet", str(first), str(second))
    run_command(second, "dvc", "pull", "--quiet")
    assert (second / "data" / "raw" / "mine.zip").read_bytes() == (first / "data" / "raw" / "mine.zip").read_bytes()
    output = run_command(second, "dvc", "repro")
    assert "trained" not in output
    assert "Stage 'ingest' didn't change, skipping" in output
    assert run_command(second, "git", "status", "--short") == ""
