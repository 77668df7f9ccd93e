"""Names of archive members: names that leave the target folder are rejected."""

import os
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.sources.names import explain_unsafe, make_printable, split_name
from pipeline.files import is_litter


@pytest.mark.parametrize(
    "name",
    [
        "../a",
        "a/../../b",
        "a/..",
        "..",
        "/etc/passwd",
        "\\server\\share",
        "..\\a",
        "a\\..\\..\\b",
        "C:\\a",
        "c:a",
        "a:b",
        "Z:/a",
        "./../a",
    ],
)
def test_names_that_leave_the_folder_are_unsafe(name: str) -> None:
    assert explain_unsafe(name)


@pytest.mark.parametrize(
    "name", ["a", "a/b.png", "./a", "a..b/c", "...", "a/.../b", "..a", "ab:c", "12:30.png", "a//b"]
)
def test_names_below_the_folder_are_safe(name: str) -> None:
    assert explain_unsafe(name) is None


@given(st.text(alphabet="./\\:aC ", max_size=12))
def test_a_folder_joined_with_a_safe_name_is_below_the_folder(name: str) -> None:
    if explain_unsafe(name) is None:
        inside = posixpath.normpath(posixpath.join("/folder", *split_name(name)))
        assert inside == "/folder" or inside.startswith("/folder/")
        assert not any(part in ("", ".", "..") for part in split_name(name))


@given(st.binary(max_size=20))
def test_printable_names_are_valid_utf_8(raw: bytes) -> None:
    name = os.fsdecode(raw)
    assert make_printable(name).encode("utf-8").decode("utf-8") == make_printable(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (".DS_Store", True),
        ("a/.hidden/b.png", True),
        ("__MACOSX/a.png", True),
        ("a/Thumbs.db", True),
        ("Desktop.ini", True),
        ("photos/@eaDir/cat.jpg/SYNOPHOTO_THUMB_M.jpg", True),
        ("$RECYCLE.BIN/S-1-5-21/$R1.png", True),
        ("System Volume Information/tracking.log", True),
        ("lost+found/1.png", True),
        ("#recycle/a.png", True),
        ("recycled/a.png", False),
        ("lost and found/a.png", False),
        ("a/b.png", False),
        ("thumbs.db.png", False),
        ("README.md", False),
    ],
)
def test_files_of_operating_systems_are_litter(name: str, expected: bool) -> None:
    assert is_litter(split_name(name)) is expected
