"""The built site: no warning, no dead link, every page reachable, nothing loaded from other hosts."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlparse

import pytest

from tests.docs.test_links import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
UNLISTED = {"genindex.html", "search.html"}
"""Pages that the theme adds; the sidebar's search form leads to one of them."""


class Page(HTMLParser):
    """The links and anchors of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = {"", "top"}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors.add(values.get("id") or "")
        link = values.get("href" if tag in ("a", "link") else "src")
        if link and not urlparse(link).scheme and not link.startswith("//"):
            self.links.add(link)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does; a warning is an error."""
    pytest.importorskip("sphinx", reason="`make docs` installs what the documentation needs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "docs", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def target(page: Path, link: str) -> tuple[Path, str]:
    """Return the file and the anchor that a relative link leads to."""
    name, anchor = urldefrag(link)
    return ((page.parent / unquote(urlparse(name).path)).resolve() if name else page), unquote(anchor)


def test_no_link_is_dead(site: Path, pages: dict[Path, Page]) -> None:
    dead = []
    for path, page in pages.items():
        for link in page.links:
            file, anchor = target(path, link)
            if not file.is_file() or (file in pages and anchor not in pages[file].anchors):
                dead.append(f"{path.relative_to(site)}: {link}")
    assert dead == []


def test_every_page_is_reachable(site: Path, pages: dict[Path, Page]) -> None:
    seen, waiting = set(), [site / "index.html"]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += [file for link in pages[path].links if (file := target(path, link)[0]) in pages]
    assert {str(path.relative_to(site)) for path in set(pages) - seen} <= UNLISTED


def test_no_page_is_empty(site: Path, pages: dict[Path, Page]) -> None:
    article = re.compile(r"<article[^>]*>(.*?)</article>", re.DOTALL)
    words = {
        str(path.relative_to(site)): len(re.sub(r"<[^>]+>", " ", " ".join(article.findall(path.read_text()))).split())
        for path in pages
    }
    assert {name for name, count in words.items() if count < 15} <= UNLISTED


def test_nothing_is_loaded_from_other_hosts(site: Path) -> None:
    for path in [*site.rglob("*.html"), *site.rglob("*.css")]:
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r"(?:<(?:script|img|iframe)[^>]*\ssrc=|url\()[\"']?(https?://[^\"')\s]+)", text)
        loaded += re.findall(r"<link[^>]*rel=\"(?:stylesheet|preload|icon)\"[^>]*href=\"(https?://[^\"]+)", text)
        assert not loaded, f"{path.relative_to(site)} loads {loaded}"
    for name in ("search.html", "index.html", "reference/generated/commands.html", "_static/styles/furo.css"):
        assert (site / name).is_file()
