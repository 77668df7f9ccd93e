"""README stays a short entrance, and the built site is complete and independent of other hosts."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_links import ROOT

LARGEST = 10_000


def test_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size < LARGEST


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_site_builds_without_a_warning_and_loads_nothing_from_other_hosts(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="`make docs` installs what the documentation needs")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "docs", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for path in [*tmp_path.rglob("*.html"), *tmp_path.rglob("*.css")]:
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r"(?:<(?:script|img|iframe)[^>]*\ssrc=|url\()[\"']?(https?://[^\"')\s]+)", text)
        loaded += re.findall(r"<link[^>]*rel=\"(?:stylesheet|preload|icon)\"[^>]*href=\"(https?://[^\"]+)", text)
        assert not loaded, f"{path.relative_to(tmp_path)} loads {loaded}"
    for name in ("search.html", "index.html", "reference/generated/commands.html", "_static/styles/furo.css"):
        assert (tmp_path / name).is_file()
