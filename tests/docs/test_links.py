"""No link in a Markdown file points to a file or heading that does not exist."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^(```+|:::+).*?^\1\s*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")


def tracked(*patterns: str) -> list[Path]:
    """Return the project's files that git knows or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def prose(path: Path) -> str:
    """Return a Markdown file without its code."""
    return CODE.sub("", FENCE.sub("", path.read_text(encoding="utf-8")))


def headings(path: Path) -> set[str]:
    """Return the anchors of a Markdown file, as GitHub and MyST make them, and its explicit targets."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    found = set(re.findall(r"^\((\S+)\)=$", text, re.MULTILINE))
    for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        found.add(re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-"))
    return found


@pytest.fixture(scope="module", autouse=True)
def generated() -> None:
    from docs.generate.pages import write

    write()


@pytest.mark.parametrize("path", tracked("*.md"), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for link in LINK.findall(prose(path)):
        if re.match(r"[a-z]+:", link):
            assert link.startswith("https://"), f"{link}: not https"
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / "docs" / name[1:] if name.startswith("/") else path.parent / name) if name else path
        assert target.exists(), f"{link}: no such file"
        if anchor and target.suffix == ".md":
            assert anchor in headings(target), f"{link}: no such heading"


def test_documentation_has_no_page_outside_its_table_of_contents() -> None:
    pages = [path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts]
    listed: set[Path] = {ROOT / "docs" / "index.md"}
    for path in pages:
        for options, body in re.findall(
            r"```\{toctree\}\n((?::[^\n]*\n)*)(.*?)```", path.read_text("utf-8"), re.DOTALL
        ):
            for entry in filter(None, (line.strip() for line in body.splitlines())):
                name = entry[entry.rfind("<") + 1 : -1] if entry.endswith(">") else entry
                matches = list(path.parent.glob(f"{name}.md"))
                assert matches, f"{path.name}: {entry} in the table of contents does not exist"
                listed |= {match.resolve() for match in matches}
                assert len(matches) == 1 or ":glob:" in options
    assert not {path.resolve() for path in pages} - listed
