"""`ganline ingest` in a process of its own: exit codes, messages, reproducible files."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.stages import ingest
from tests.processes import run_ganline

Ganline = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    return tmp_path


@pytest.fixture
def ganline(project: Path) -> Ganline:
    """Return a function that runs a stage with the given text as params.yaml."""

    def run(stage: str, params: str) -> subprocess.CompletedProcess[str]:
        (project / "params.yaml").write_text(params)
        return run_ganline(project, stage)

    return run


def test_repeated_ingestion_writes_the_same_bytes(project: Path, ganline: Ganline) -> None:
    def digest() -> str:
        files = sorted(path for path in (project / "data").rglob("*") if path.is_file())
        assert [path.name for path in files] == ["dataset.json", "manifest.parquet", "00000.npy"]
        return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()

    first = ganline("ingest", "data: {source: digits}")
    assert (first.returncode, first.stderr) == (0, "")
    assert "1797 images" in first.stdout
    before = digest()
    assert ganline("ingest", "data: {source: digits}").returncode == 0
    assert digest() == before


def test_a_relative_folder_with_an_invalid_file(project: Path, ganline: Ganline) -> None:
    for number in range(6):
        path = project / "drop" / "in" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9), number * 40, dtype=np.uint8)).save(path)
    (project / "drop" / "broken.png").write_bytes(b"nothing")
    done = ganline("ingest", "data: {source: drop, resolution: 16, channels: rgb}")
    assert done.returncode == 0, done.stderr
    assert "6 images" in done.stdout
    assert "1 files set aside" in done.stdout
    info = json.loads((project / "data" / "dataset" / "dataset.json").read_text())
    assert (info["source"], info["images"], info["set_aside"], info["item"]["height"], info["item"]["channels"]) == (
        "drop",
        6,
        1,
        16,
        3,
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("data: {source: nowhere}", "data.source: 'nowhere': no such folder or archive"),
        ("data: {source: notes.txt}", "notes.txt: the file is none of .zip, .tar"),
        ("data: {source: broken.zip}", "broken.zip: not a zip archive, or cut off"),
        ("data: {source: empty}", "data.source: empty: is empty; expected images"),
        (
            "data: {source: digits, resolution: 12}",
            "data.resolution 12 x 12: variant dcgan needs squares whose side is a power of two",
        ),
    ],
)
def test_invalid_sources_exit_with_2_and_a_message(project: Path, ganline: Ganline, params: str, message: str) -> None:
    (project / "notes.txt").write_text("x")
    (project / "broken.zip").write_text("x")
    (project / "empty").mkdir()
    done = ganline("ingest", params)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "data").exists() or not list((project / "data").iterdir())


def test_a_new_class_does_not_renumber_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also after DVC has deleted data/dataset: then the model tells the classes."""

    def add(name: str) -> None:
        folder = tmp_path / "raw" / name
        folder.mkdir(parents=True)
        for number in range(4):
            Image.fromarray(np.full((9, 9), number * 40 + len(name), dtype=np.uint8)).save(folder / f"{number}.png")

    def classes(settings: str = "") -> list[str]:
        (tmp_path / "params.yaml").write_text(f"data: {{source: raw, watch: raw{settings}}}")
        ingest.run(tmp_path)
        names: list[str] = json.loads((tmp_path / "data/dataset/dataset.json").read_text())["item"]["classes"]
        return names

    for name in ("dog", "zebra"):
        add(name)
    assert classes() == ["dog", "zebra"]
    add("cow")
    assert classes() == ["dog", "zebra", "cow"]
    (tmp_path / "models").mkdir()
    shutil.copy(tmp_path / "data/dataset/dataset.json", tmp_path / "models/config.json")
    shutil.rmtree(tmp_path / "data/dataset")
    add("ant")
    assert classes() == ["dog", "zebra", "cow", "ant"]
    assert "warning" not in capsys.readouterr().err
    assert classes(", classes: [ant, zebra, dog]") == ["ant", "zebra", "dog"]
    assert "classes change their numbers: 'ant' 3 to 0, 'dog' 0 to 2. The classes 'cow' are" in capsys.readouterr().err


def test_a_failure_names_how_to_restore_the_data_set_that_dvc_removed(project: Path, ganline: Ganline) -> None:
    (project / "dvc.lock").touch()
    done = ganline("ingest", "data: {source: data/raw/mine.zip}\n")
    assert done.returncode == 2
    assert "data/raw/mine.zip" in done.stderr
    assert "`dvc checkout data/dataset` restores the last data set." in done.stderr
