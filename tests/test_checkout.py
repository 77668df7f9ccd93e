"""A checkout is the same everywhere: DVC hashes code byte by byte."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_line_ends_do_not_depend_on_the_settings_of_git(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git repository")
    clone = [
        "git",
        "-c",
        "core.autocrlf=true",
        "clone",
        "--quiet",
        "--depth",
        "1",
        ROOT.as_uri(),
        str(tmp_path / "clone"),
    ]
    subprocess.run(clone, check=True, capture_output=True)
    listed = subprocess.run(
        ["git", "ls-files", "--eol"], cwd=tmp_path / "clone", check=True, capture_output=True, text=True
    ).stdout
    assert not [line for line in listed.splitlines() if "w/crlf" in line or "w/mixed" in line]
    assert "w/lf" in listed
