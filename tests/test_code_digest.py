"""The digest of code follows imports, and ignores comments and docstrings."""

from pathlib import Path

import pytest

from pipeline.code_digest import code_digest, defining_modules, source_files

FILES = {
    "__init__.py": "import pipeline.unused\n",
    "registry.py": "from pipeline.other import Other\n",
    "other.py": "VALUE = 7\n",
    "unused.py": "VALUE = 8\n",
    "leaf.py": '"""Leaf."""\n\n\ndef half(x):\n    """Return half of x."""\n    return x / 2  # a comment\n',
    "lazy.py": "LAZY = 1\n",
    "types.py": "TYPE = int\n",
    "pkg/__init__.py": "",
    "found/__init__.py": "for module in pkgutil.iter_modules(__path__): ...\n",
    "found/one.py": "ONE = 1\n",
    "found/registry.py": "MEASURES = {}\n",
    "pkg/page.py": 'TEMPLATE = "page.html.j2"\n',
    "pkg/page.html.j2": '{% extends "base.html.j2" %}\n',
    "pkg/templates/base.html.j2": "<p>base</p>\n",
    "top.py": """
from typing import TYPE_CHECKING

from pipeline import leaf, registry
from pipeline.found.registry import MEASURES
from pipeline.pkg.page import TEMPLATE

if TYPE_CHECKING:
    from pipeline.types import TYPE


def run():
    from pipeline.lazy import LAZY
    return leaf.half(LAZY)
""",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "pipeline" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def changed(source: Path, tmp_path_factory: pytest.TempPathFactory, name: str, old: str, new: str) -> bool:
    """Return whether an edit changes the digest of top.py. Each edit has its own folder, because files are cached."""
    copy = tmp_path_factory.mktemp("copy")
    for path in (source / "pipeline").rglob("*"):
        target = copy / path.relative_to(source)
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text()
            if path == source / "pipeline" / name:
                assert old in text
                text = text.replace(old, new)
            target.write_text(text)
    return code_digest("pipeline.top", source=copy) != code_digest("pipeline.top", source=source)


def test_imports_are_followed_anywhere_in_a_file(source: Path) -> None:
    names = {str(path.relative_to(source / "pipeline")) for path in source_files("pipeline.top", source=source)}
    assert names == {
        *("top.py", "leaf.py", "lazy.py", "pkg/page.py", "found/one.py"),
        *("pkg/page.html.j2", "pkg/templates/base.html.j2"),
    }


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("leaf.py", "x / 2", "x / 3", True),
        ("leaf.py", "Return half of x.", "Halve x.", False),
        ("leaf.py", '"""Leaf."""', '"""The leaf module."""', False),
        ("leaf.py", "  # a comment", "", False),
        ("lazy.py", "1", "2", True),
        ("found/one.py", "1", "2", True),
        ("types.py", "int", "float", False),
        ("registry.py", "Other", "Other as Another", False),
        ("other.py", "7", "8", False),
        ("unused.py", "8", "9", False),
        ("pkg/page.html.j2", "{%", " {%", True),
        ("pkg/templates/base.html.j2", "base", "other", True),
    ],
)
def test_only_code_that_is_used_counts(
    source: Path, tmp_path_factory: pytest.TempPathFactory, name: str, old: str, new: str, expected: bool
) -> None:
    assert changed(source, tmp_path_factory, name, old, new) == expected


def test_an_unknown_module_is_named(source: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"pipeline\.absent"):
        code_digest("pipeline.absent", source=source)


def test_modules_of_objects_are_those_of_the_project() -> None:
    from pipeline.settings import Ramp, ramp

    assert defining_modules(ramp, Ramp(start=1, end=2), Path, len, lambda: 0) == ("pipeline.settings",)
    assert defining_modules() == ()
