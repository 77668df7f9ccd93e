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


def places(path: Path) -> Iterator[str]:
    """Yield each occurrence of such a word in a file."""
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        for word in WORDS.findall(line):
            yield f"{path.relative_to(ROOT)}:{number}: {word}"


def test_words_are_plain() -> None:
    files = [path for path in tracked(*TEXT) if path != Path(__file__)]
    found = [place for path in files for place in places(path)]
    assert not found, "write a plain sentence instead (see CONTRIBUTING.md):\n" + "\n".join(found)
