"""Symbolic links in a source folder: followed inside it and to named folders, refused elsewhere."""

from pathlib import Path

import pytest

from pipeline.data.sources import open_source
from pipeline.data.sources.folder import Folder
from pipeline.media.image.settings import ImageSettings
from pipeline.media.registry import MEDIA


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder of links to class folders and files, some of them in a store next to it."""
    for name in ("store/cats/1.png", "store/dogs/2.png", "store/loose.png", "raw/birds/3.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    raw = tmp_path / "raw"
    (raw / "cats").symlink_to(tmp_path / "store" / "cats")
    (raw / "dogs").symlink_to("../store/dogs")
    (raw / "one.png").symlink_to(tmp_path / "store" / "loose.png")
    (raw / "same").symlink_to(raw / "birds")
    (raw / "birds" / "circle").symlink_to(raw)
    return tmp_path


def read(source: Folder) -> tuple[dict[str, bytes], dict[str, str]]:
    files = list(source.stream())
    return (
        {file.path: file.load(100) for file in files if file.error is None},
        {file.path: file.error for file in files if file.error is not None},
    )


def test_links_inside_the_folder_are_followed(project: Path) -> None:
    files, errors = read(Folder(project / "raw"))
    assert files == {"birds/3.png": b"raw/birds/3.png", "same/3.png": b"raw/birds/3.png"}
    circle = "a link to a folder that contains it is not followed"
    outside = "a link to a place outside the folder: data.links names folders that links may lead to"
    assert errors == {
        "birds/circle": circle,
        "same/circle": circle,
        "cats": outside,
        "dogs": outside,
        "one.png": outside,
    }


def test_links_to_named_folders_are_followed(project: Path) -> None:
    settings = ImageSettings(source="raw", links=("store",))
    source = open_source(MEDIA["image"], settings, project, project / "cache")
    assert isinstance(source, Folder)
    files, errors = read(source)
    assert {path: data.decode() for path, data in files.items()} == {
        "birds/3.png": "raw/birds/3.png",
        "cats/1.png": "store/cats/1.png",
        "dogs/2.png": "store/dogs/2.png",
        "one.png": "store/loose.png",
        "same/3.png": "raw/birds/3.png",
    }
    assert set(errors) == {"birds/circle", "same/circle"}


def test_a_linked_folder_may_not_lead_elsewhere(project: Path) -> None:
    (project / "store" / "cats" / "out.png").symlink_to("/etc/hostname")
    _, errors = read(Folder(project / "raw", [project / "store"]))
    assert errors["cats/out.png"].startswith("a link to a place outside the folder")
