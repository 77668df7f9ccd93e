"""`ganline pack`: a reproducible archive of a folder."""

import os
import zipfile
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.stages.commands import pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes with a picture each, a hidden file and a link."""
    for name in ("cats/1.png", "dogs/ü.png", "cats/.hidden", ".cache/x.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "photos" / "link.png").symlink_to("cats/1.png")
    return tmp_path / "photos"


def test_the_same_files_give_the_same_archive(folder: Path, tmp_path: Path) -> None:
    archive, files = pack.run(folder)
    assert (archive, files) == (tmp_path / "photos.zip", 2)
    with zipfile.ZipFile(archive) as opened:
        assert {name: opened.read(name).decode() for name in opened.namelist()} == {
            "cats/1.png": "cats/1.png",
            "dogs/ü.png": "dogs/ü.png",
        }
    os.utime(folder / "cats" / "1.png", (0, 0))
    other, _ = pack.run(folder, folder / "inside.zip")
    assert other.read_bytes() == archive.read_bytes()
    _, files = pack.run(folder, tmp_path / "again.zip")
    assert files == 3, "the archive inside is a file like any other"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.zip", "photos", "photos.zip"]


def test_an_archive_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        pack.run(folder)
    assert (tmp_path / "photos.zip").read_text() == "mine"


@pytest.mark.parametrize(
    ("source", "output", "words"),
    [("nowhere", "a.zip", "no such folder"), ("photos", "a.tar", "must end in .zip"), ("empty", "a.zip", "no files")],
)
def test_bad_arguments_are_errors(folder: Path, tmp_path: Path, source: str, output: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=words):
        pack.run(tmp_path / source, tmp_path / output)
    assert not (tmp_path / output).exists()
