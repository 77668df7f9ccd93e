"""Values of data.source: each kind of source, and errors for invalid ones."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.data import sources
from pipeline.data.sources.archive import Tar, Zip
from pipeline.data.sources.base import Source, Unreadable
from pipeline.data.sources.builtin import Builtin
from pipeline.data.sources.folder import Folder
from pipeline.errors import InputError
from pipeline.media.image.settings import ImageSettings
from pipeline.media.registry import MEDIA


def open_source(source: str, root: Path, cache: Path) -> Source:
    return sources.open_source(MEDIA["image"], ImageSettings(source=source), root, cache)


def names(source: str, root: Path) -> list[str]:
    return [item.path for item in open_source(source, root, root / "cache").stream()]


def test_each_kind_of_source_is_recognised_and_streams_its_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b").mkdir()
    for name in ("b/2.png", "a.png", "c.png"):
        (tmp_path / "in" / name).write_bytes(name.encode())
    for name in ("x.ZIP", "y.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("b.png", b"1")
            archive.writestr("a.png", b"2")
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as tar:
        tar.add(tmp_path / "in", "in")
    kinds = {"digits": Builtin, "in": Folder, "x.ZIP": Zip, "x.tgz": Tar, str(tmp_path / "in"): Folder}
    for source, kind in kinds.items():
        assert isinstance(open_source(source, tmp_path, tmp_path), kind)
    assert names("in", tmp_path) == ["a.png", "b/2.png", "c.png"]
    assert names("y.zip", tmp_path) == ["b.png", "a.png"]
    assert sorted(names("x.tgz", tmp_path)) == ["in/a.png", "in/b/2.png", "in/c.png"]
    item = next(open_source("in", tmp_path, tmp_path).stream())
    assert item.load(100) == b"a.png"
    with pytest.raises(Unreadable, match=r"larger than data\.limits\.bytes"):
        item.load(4)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("absent", "'absent': no such folder or archive .*sources are digits"),
        ("digit", "did you mean `digits`"),
        ("kaggle:cats", "no such folder or archive"),
        ("notes.txt", r"notes.txt: the file is none of .zip, .tar"),
        ("torchvision:FashionMNISTT", "did you mean `torchvision:FashionMNIST`"),
        ("torchvision:fashionmnist", "did you mean `torchvision:FashionMNIST`"),
        ("torchvision:zzzzzz", "known: .*CIFAR10"),
        ("torchvision:", "known: .*CIFAR10"),
    ],
)
def test_invalid_sources_are_rejected_with_a_suggestion(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=message):
        open_source(source, tmp_path, tmp_path / "cache")


def tarred(files: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number in range(files):
            member = tarfile.TarInfo(f"{number}.png")
            member.size = 1000
            archive.addfile(member, io.BytesIO(bytes([number]) * 1000))
    return out.getvalue()


def test_broken_archives_are_rejected_by_name(tmp_path: Path) -> None:
    whole = tarred(5)
    damaged = bytearray(whole)
    damaged[2 * 1536 : 2 * 1536 + 20] = b"\xff" * 20  # the third header
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as archive:
        archive.writestr("a.png", b"a" * 1000)
    zipped = (tmp_path / "good.zip").read_bytes()
    (tmp_path / "gz.tar.gz").write_bytes(b"")
    with tarfile.open(tmp_path / "gz.tar.gz", "w:gz") as tar:
        for number in range(50):
            member = tarfile.TarInfo(f"{number}.png")
            member.size = 4000
            tar.addfile(member, io.BytesIO(bytes(range(250)) * 16))
    compressed = (tmp_path / "gz.tar.gz").read_bytes()
    for name, data, message in (
        ("cut.zip", zipped[:-30], "not a zip archive, or cut off"),
        ("text.zip", b"hello", "not a zip archive"),
        ("empty.zip", b"", "not a zip archive"),
        ("cut.tar", whole[: 3 * 1536 - 300], "damaged after 3 members"),
        ("cut_in_header.tar", whole[: 3 * 1536 + 100], "damaged after 3 members"),
        ("header.tar", bytes(damaged), "damaged after 2 members"),
        ("text.tar", b"hello" * 1000, "not a tar archive"),
        ("empty.tar", b"", "not a tar archive"),
        ("cut.tar.gz", compressed[: len(compressed) // 2], "damaged after"),
        ("text.tar.gz", b"hello", "not a tar archive"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=message) as caught:
            names(name, tmp_path)
        assert name in str(caught.value)
    (tmp_path / "whole.tar").write_bytes(whole)
    assert len(names("whole.tar", tmp_path)) == 5


def test_a_folder_that_vanishes_while_listing_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "a.png").write_bytes(b"x")
    source = Folder(tmp_path / "in")
    stream = source.stream()
    assert next(stream).path == "a.png"
    (tmp_path / "in" / "sub").rmdir()  # removed between listing and reading
    item = next(stream)
    assert item.path == "sub"
    assert item.error
    assert "cannot be read" in item.error


def test_folders_in_archives_from_windows_are_no_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "windows.zip", "w") as archive:
        for name in ("cats\\", "dogs/", "cats\\1.png"):
            archive.writestr(name, b"")
    assert names("windows.zip", tmp_path) == ["cats/1.png"]


@pytest.mark.parametrize("suffix", ["tar", "tgz"])
def test_hard_links_that_tar_writes_have_the_content_of_their_file(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "c.png"):
        (folder / name).write_bytes(name.encode() * 1000)
    (folder / "b.png").hardlink_to(folder / "a.png")
    with tarfile.open(tmp_path / f"x.{suffix}", "w:gz" if suffix == "tgz" else "w") as archive:
        for name in ("a.png", "b.png", "c.png"):
            archive.add(folder / name, name)
    source = open_source(f"x.{suffix}", tmp_path, tmp_path / "cache")
    assert [file.path for file in source.stream()] == ["a.png", "b.png", "c.png"]
    assert [file.load(10_000)[:5] for file in source.stream()] == [b"a.png", b"a.png", b"c.png"]
