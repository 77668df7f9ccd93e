"""Compute a digest of the code that decides a result: a module and everything it imports inside the project.

The digest is computed over syntax trees without docstrings and comments, so rewording does not change it. Templates
that a module names are included. Imports are followed from module to module, except for package `__init__` files,
registries and `pipeline.params`. These name every variant, task and medium, so the caller adds the ones in use.
"""

import ast
import functools
import hashlib
import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGE = __name__.partition(".")[0]
SOURCE = Path(__file__).parents[1]
"""Folder of the package."""

NOT_FOLLOWED = {"__init__", "registry", "params"}
DISCOVERY = "iter_modules(__path__)"
"""The code by which a package imports all its modules; then all of them are included."""

TEMPLATES = (".j2", ".html")
EXTENDS = re.compile(r"{%-?\s*(?:extends|include|import)\s+[\"']([^\"']+)")


@dataclass(frozen=True)
class SourceFile:
    """The relevant parts of one file.

    Attributes:
        digest: sha256 of the syntax tree of a module, or of the bytes of another file.
        imports: Dotted names that a module imports anywhere.
        templates: Names of templates that it uses.
    """

    digest: str
    imports: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()


def code_digest(*modules: str, source: Path = SOURCE) -> str:
    """Return the sha256 of modules and of all code of the project that they import.

    Args:
        modules: Dotted names, such as "pipeline.training.loop".
        source: Folder of the package; another folder for a copy. The code of this process is read once.
    """
    return running_digest(modules) if source == SOURCE else digest_files(modules, source)


@functools.cache
def running_digest(modules: tuple[str, ...]) -> str:
    """Return the digest of code that this process runs, which does not change."""
    return digest_files(modules, SOURCE)


def digest_files(modules: Sequence[str], source: Path) -> str:
    """Return the digest of modules under `source` and of all code that they import."""
    total = hashlib.sha256()
    for path in source_files(*modules, source=source):
        label = path.relative_to(source) if path.is_relative_to(source) else path.name
        total.update(f"{label} {read_source(path).digest}\n".encode())
    return total.hexdigest()


def defining_modules(*objects: object) -> tuple[str, ...]:
    """Return the modules of the project that define these functions, classes or instances, for `code_digest`."""
    names = {str(getattr(one, "__module__", None) or type(one).__module__) for one in objects}
    return tuple(sorted(name for name in names if module_file(name, SOURCE)))


def source_files(*modules: str, source: Path = SOURCE) -> tuple[Path, ...]:
    """Return the sorted files of modules, of everything they import, and of their templates.

    Raises:
        FileNotFoundError: A module does not exist.
    """
    paths: set[Path] = set()
    waiting: list[Path] = []
    for name in modules:
        path = module_file(name, source) or foreign_file(name)
        if path is None:
            raise FileNotFoundError(f"{name}: no such module in {source}")
        waiting.append(path)
    while waiting:
        path = waiting.pop()
        if path not in paths:
            paths.add(path)
            content = read_source(path)
            waiting += [file for name in content.imports for file in files_of(name, source)]
            waiting += [file for name in content.templates for file in path.parent.rglob(name)]
    return tuple(sorted(paths))


def files_of(name: str, source: Path) -> Iterator[Path]:
    """Yield the file of a module, and all files of a parent package that discovers its modules."""
    module = module_file(name, source)
    if module is not None:
        yield module
    parts = name.split(".")
    for depth in range(2, len(parts) + 1) if parts[0] == PACKAGE else ():
        initial = source.joinpath(*parts[:depth], "__init__.py")
        if initial.is_file() and DISCOVERY in initial.read_text(encoding="utf-8"):
            yield from (path for path in initial.parent.glob("*.py") if path.stem not in NOT_FOLLOWED)


def module_file(name: str, source: Path) -> Path | None:
    """Return the file of a module; None for packages, registries, names that are no module, and other projects."""
    parts = name.split(".")
    if parts[0] != PACKAGE or parts[-1] in NOT_FOLLOWED:
        return None
    path = source.joinpath(*parts).with_suffix(".py")
    return path if path.is_file() else None


def foreign_file(name: str) -> Path | None:
    """Return the file of a module outside the project, such as an external variant; None if it does not exist."""
    if name.partition(".")[0] == PACKAGE:
        return None
    spec = importlib.util.find_spec(name)
    return Path(spec.origin) if spec is not None and spec.origin else None


def read_source(path: Path) -> SourceFile:
    """Read a module or a template. An unchanged file is read only once."""
    return parse_source(path, path.stat().st_mtime_ns)


@functools.cache
def parse_source(path: Path, changed: int) -> SourceFile:
    """Parse a file; `changed` is the time of its last change, which is part of the cache key."""
    if path.suffix != ".py":
        content = path.read_bytes()
        return SourceFile(hashlib.sha256(content).hexdigest(), templates=tuple(EXTENDS.findall(content.decode())))
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    imports = tuple(dict.fromkeys(imported_names(tree)))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    templates = tuple(text for text in texts if text.endswith(TEMPLATES) and len(Path(text).parts) == 1)
    digest = hashlib.sha256(ast.dump(WithoutDocstrings().visit(tree)).encode()).hexdigest()
    return SourceFile(digest, imports, templates)


class WithoutDocstrings(ast.NodeTransformer):
    """Removes string literals that are statements: docstrings of modules, classes, functions and attributes."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Yield the names that a module imports anywhere; `from a import b` yields "a" and "a.b".

    Imports for type checkers are left out.
    """
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
