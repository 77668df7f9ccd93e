"""Folders whose files are one item together: clips as folders of frames."""

import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.data.ingestion import ingest
from pipeline.data.sources.archive import Zip
from pipeline.data.sources.folder import Folder
from pipeline.data.sources.folder_bundles import FolderBundles
from pipeline.media.bundle import unpack
from pipeline.media.video.settings import VideoSettings


def write_frames(folder: Path, count: int, first: int = 1) -> None:
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        values = np.full((8, 8), number, np.uint8)
        values[number % 8] = 255
        Image.fromarray(values).save(folder / f"frame{number}.png")


def test_clips_of_two_classes_are_ingested(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        for clip in range(3):
            write_frames(tmp_path / "raw" / label / f"clip {clip}", 12, first=1 + clip)
    (tmp_path / "raw/dog/clip 2/frame7.png").write_bytes(b"nonsense")
    settings = VideoSettings(source="raw", clips="folders", frames=6, resolution=8, resize="nearest")
    info = ingest(settings, tmp_path, tmp_path, tmp_path / "store")
    rows = pq.read_table(tmp_path / "store" / "manifest.parquet").to_pandas()
    assert info.item.classes == ("cat", "dog")
    assert len(rows) == 5 * 2 + 1
    assert rows.groupby("path")["split"].nunique().max() == 1
    assert rows[rows["error"].notna()]["error"].str.startswith("frame7.png: not an image").all()
    clip = rows[rows["path"] == "cat/clip 0"]
    assert clip["start"].tolist() == [0, 6]


def test_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write_frames(tmp_path / "raw", 12)
    (file,) = FolderBundles(Folder(tmp_path / "raw"), 10**6).stream()
    assert file.path == "raw"
    assert [name for name, _ in unpack(file.load(10**6))] == [f"frame{number}.png" for number in range(1, 13)]


def test_too_large_and_scattered_folders_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
        for name in ("a/1.png", "b/1.png", "a/2.png"):
            archive.writestr(name, b"12345")
    source = Zip(tmp_path / "raw.zip")
    a, b, again = FolderBundles(source, 10).stream()
    assert len(unpack(b.load(10))) == len(unpack(a.load(10))) == 1
    assert again.error is not None
    assert "not next to each other" in again.error
    with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
        for name in ("a/1.png", "a/2.png"):
            archive.writestr(name, b"123456")
    (large,) = FolderBundles(source, 10).stream()
    with pytest.raises(Exception, match=r"data\.limits\.bytes"):
        large.load(10)
    (named,) = FolderBundles(source, 10, names_only=True).stream()
    assert named.path == "a"


def test_strips_of_frames_in_folders_of_classes_are_ingested(tmp_path: Path, shared_data: Path) -> None:
    settings = VideoSettings(source=str(shared_data / "moving-shapes.zip"), frames=16, resolution=16, limit=10)
    info = ingest(settings, tmp_path, tmp_path, tmp_path / "store")
    rows = pq.read_table(tmp_path / "store" / "manifest.parquet").to_pandas()
    assert len(info.item.classes) == 2
    assert rows["error"].isna().all()
    assert set(rows["clip_frames"]) == {32}
    assert rows.groupby("path")["split"].nunique().max() == 1
    assert set(rows["start"]) == {0, 16}
