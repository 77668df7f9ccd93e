"""Sources with every kind of file: valid files are stored, invalid ones quarantined with their reasons."""

import hashlib
import io
import os
import stat
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.data.ingesting import assert_manifest, run_ingestion, write_zip


def test_a_folder_with_every_kind_of_file(tmp_path: Path, good_files: dict[str, bytes], bad_files: Any) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    for name, data in (good_files | bad_files.files).items():
        (source / name).write_bytes(data)
    outside = tmp_path / "outside.png"
    outside.write_bytes(good_files["rgb.png"])
    (source / "link_out.png").symlink_to(outside)
    (source / "link_in.png").symlink_to(source / "rgb.png")
    (source / "link_nowhere.png").symlink_to(source / "absent.png")
    (source / "link_circle").symlink_to(source)
    os.mkfifo(source / "pipe.png")
    raw_name = os.fsencode(source) + b"/caf\xe9.png"
    with open(raw_name, "wb") as file:
        file.write(good_files["gray.png"])
    for litter in (".DS_Store", ".gitignore", "Thumbs.db", "._rgb.png"):
        (source / litter).write_bytes(b"junk")
    (source / "__MACOSX").mkdir()
    (source / "__MACOSX" / "x.png").write_bytes(b"junk")

    info, rows = run_ingestion(source, tmp_path)
    good = good_files | {"link_in.png": good_files["rgb.png"], "caf\\xe9.png": good_files["gray.png"]}
    links = {
        "link_out.png": "outside the folder",
        "link_nowhere.png": "does not exist",
        "link_circle": "a link to a folder that contains it is not followed",
        "pipe.png": "not a regular file",
    }
    assert_manifest(rows, good, bad_files.reasons | links)
    assert info.images == len(good)
    assert info.item.classes == ()
    assert info.source == "photos"
    assert str(tmp_path) not in (tmp_path / "dataset" / "dataset.json").read_text()


def test_a_zip_archive_with_every_kind_of_file(tmp_path: Path, good_files: dict[str, bytes], bad_files: Any) -> None:
    path = write_zip(
        tmp_path / "upload.zip", {f"upload/{name}": data for name, data in (good_files | bad_files.files).items()}
    )
    climbing = ["../climbs.png", "upload/../../climbs.png", "/etc/absolute.png", "C:\\drive.png", "..\\windows.png"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns about the duplicate name
        with zipfile.ZipFile(path, "a") as archive:
            for name in [*climbing, "__MACOSX/upload/._rgb.png", "upload/.DS_Store", "upload/Thumbs.db"]:
                archive.writestr(name, good_files["rgb.png"])
            link = zipfile.ZipInfo("upload/link.png")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "/etc/passwd")
            for name in (
                "upload/locked.png",
                "upload/wrong_sum.png",
                "upload/lying_size.png",
                "upload/unknown_method.png",
            ):
                archive.writestr(zipfile.ZipInfo(name), good_files["rgb.png"])
            archive.writestr("upload/twice.png", good_files["rgb.png"])
            archive.writestr("upload/twice.png", good_files["gray.png"])
    data = bytearray(path.read_bytes())
    size = len(good_files["rgb.png"])
    for member, offset, value in (
        (b"upload/locked.png", 8, b"\x01\x00"),
        (b"upload/wrong_sum.png", 16, b"\x01\x02\x03\x04"),
        (b"upload/lying_size.png", 24, (size - 50).to_bytes(4, "little")),
        (b"upload/unknown_method.png", 10, b"\x63\x00"),
    ):
        entry = data.rindex(member) - 46  # the last occurrence: the central directory follows all local headers
        data[entry + offset : entry + offset + len(value)] = value
    path.write_bytes(data)

    info, rows = run_ingestion(path, tmp_path)
    inside = {f"upload/{name}": content for name, content in good_files.items()}
    reasons = {f"upload/{name}": reason for name, reason in bad_files.reasons.items()}
    reasons |= dict.fromkeys(climbing[:2] + climbing[4:], "points outside") | {
        climbing[2]: "absolute path",
        climbing[3]: "drive letter",
    }
    reasons |= {
        "upload/link.png": "a link",
        "upload/locked.png": "encrypted",
        "upload/wrong_sum.png": "damaged in the archive",
        "upload/lying_size.png": "damaged in the archive",
        "upload/unknown_method.png": "damaged in the archive",
    }
    twice = [row for row in rows if row["path"] == "upload/twice.png"]
    assert [row["sha256"] for row in twice] == [
        hashlib.sha256(good_files[name]).hexdigest() for name in ("rgb.png", "gray.png")
    ]
    assert twice[0]["id"] != twice[1]["id"]
    assert_manifest(
        [{**row, "id": number} for number, row in enumerate(row for row in rows if row not in twice)], inside, reasons
    )
    assert len(reasons) >= 20
    assert info.images == len(good_files) + 2
    assert info.item.classes == ()


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_tar_archive_with_every_kind_of_file(
    tmp_path: Path, good_files: dict[str, bytes], bad_files: Any, suffix: str
) -> None:
    path = tmp_path / f"upload.{suffix}"
    mode: Any = f"w:{suffix.removeprefix('tar').removeprefix('.')}"
    with tarfile.open(path, mode) as archive:

        def add(name: str, data: bytes = b"", **fields: Any) -> None:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for key, value in fields.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(data))

        add("./", type=tarfile.DIRTYPE)
        for name, data in (good_files | bad_files.files).items():
            add(f"./{name}", data)
        add("../climbs.png", good_files["rgb.png"])
        add("/absolute.png", good_files["rgb.png"])
        add("symbolic.png", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add("hard.png", type=tarfile.LNKTYPE, linkname="./rgb.png")
        add("hard_out.png", type=tarfile.LNKTYPE, linkname="/etc/passwd")
        add("pipe.png", type=tarfile.FIFOTYPE)
        add("device.png", type=tarfile.CHRTYPE)
        add(".DS_Store", b"junk")
        add("d" * 150 + "/" + "n" * 120 + ".png", good_files["gray.png"])
        add("caf\udce9.png", good_files["gray.png"])
    _, rows = run_ingestion(path, tmp_path)
    reasons = bad_files.reasons | {
        "../climbs.png": "points outside",
        "/absolute.png": "absolute path",
        "symbolic.png": "a link",
        "hard_out.png": "a hard link to a file that does not precede it",
        "pipe.png": "not a regular file",
        "device.png": "not a regular file",
    }
    assert_manifest(
        rows,
        good_files
        | {"hard.png": good_files["rgb.png"]}
        | {"d" * 150 + "/" + "n" * 120 + ".png": good_files["gray.png"], "caf\\xe9.png": good_files["gray.png"]},
        reasons,
    )
