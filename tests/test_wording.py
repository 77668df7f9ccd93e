"""Words that are hard to read for newcomers do not occur in the project."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.docs.test_links import ROOT, tracked

WORDS = re.compile(
    r"\b(beside|anew|mend|mends|mended|told|likewise|wherein|thereof|what(?:ever)? becomes(?: of)?"
    r"|where there (?:is|are)|let be|of which no|all the same|of its own accord|as well as not)\b",
    re.IGNORECASE,
)
TEXT = ("*.py", "*.md", "*.yaml", "*.yml", "*.toml", "*.j2", "*.html", "*.js", "*.css", ".*", "Makefile", "Dockerfile")

STILL_TO_REWRITE: tuple[str, ...] = ("pipeline/evaluation/extractors/", "pipeline/evaluation/quick_look.py")
"""Paths whose English is not rewritten yet. Delete an entry when its files are clean; the tuple ends up empty."""


def places(path: Path) -> Iterator[str]:
    """Yield each occurrence of such a word in a file."""
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        for word in WORDS.findall(line):
            yield f"{path.relative_to(ROOT)}:{number}: {word}"


def test_words_are_plain() -> None:
    files = [path for path in tracked(*TEXT) if path != Path(__file__)]
    rewritten = [path for path in files if not str(path.relative_to(ROOT)).startswith(STILL_TO_REWRITE)]
    found = [place for path in rewritten for place in places(path)]
    assert not found, "write a plain sentence instead (see CONTRIBUTING.md):\n" + "\n".join(found)
