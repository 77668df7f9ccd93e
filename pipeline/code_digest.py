"""Digest of the code that decides a result: a module and everything it imports inside the project.

The digest is taken over syntax trees without docstrings and comments, so rewording changes nothing. Templates that a
module names count as source. Imports are followed from module to module. Package `__init__` files, registries and
`pipeline.params` are not followed, because they name every variant, task and medium: the caller adds those in use.
"""

import ast
import functools
import hashlib
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = __name__.partition(".")[0]
SOURCE = Path(__file__).parents[1]
"""The folder that holds the package."""

NOT_FOLLOWED = {"__init__", "registry", "params"}
DISCOVERY = "iter_modules(__path__)"
"""How a package imports all its modules without naming them: then all of them count."""

TEMPLATES = (".j2", ".html")
EXTENDS = re.compile(r"{%-?\s*(?:extends|include|import)\s+[\"']([^\"']+)")


@dataclass(frozen=True)
class SourceFile:
    """What counts of one file.

    Attributes:
        digest: sha256 of a module's syntax tree, of any other file's bytes.
        imports: Dotted names that a module may import, anywhere in it.
        templates: Names of templates that it uses.
    """

    digest: str
    imports: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()


def code_digest(*modules: str, source: Path = SOURCE) -> str:
    """Return the sha256 over modules, given by dotted name, and all code of the project that they import.

    Args:
        modules: Where to start, such as "pipeline.training.loop".
        source: The folder that holds the package; another one for a copy.
    """
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
    """Return the files that `modules` consist of: themselves, what they import, and templates; sorted.

    Raises:
        FileNotFoundError: There is no such module.
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
            known = read_source(path)
            waiting += [found for name in known.imports for found in files_of(name, source)]
            waiting += [found for name in known.templates for found in path.parent.rglob(name)]
    return tuple(sorted(paths))


def files_of(name: str, source: Path) -> Iterator[Path]:
    """Yield the file of a module, and those of all modules of a package above it that imports them by itself."""
    module = module_file(name, source)
    if module is not None:
        yield module
    parts = name.split(".")
    for depth in range(2, len(parts) + 1) if parts[0] == PACKAGE else ():
        initial = source.joinpath(*parts[:depth], "__init__.py")
        if initial.is_file() and DISCOVERY in initial.read_text(encoding="utf-8"):
            yield from (path for path in initial.parent.glob("*.py") if path.stem not in NOT_FOLLOWED)


def module_file(name: str, source: Path) -> Path | None:
    """Return the file of a module of the project; None for packages, registries, names and other projects."""
    parts = name.split(".")
    if parts[0] != PACKAGE or parts[-1] in NOT_FOLLOWED:
        return None
    path = source.joinpath(*parts).with_suffix(".py")
    return path if path.is_file() else None


def foreign_file(name: str) -> Path | None:
    """Return the file of a module outside the project, such as a variant that somebody registers; None if there is none."""
    if name.partition(".")[0] == PACKAGE:
        return None
    found = importlib.util.find_spec(name)
    return Path(found.origin) if found is not None and found.origin else None


def read_source(path: Path) -> SourceFile:
    """Read a module or a template; files that did not change are read once."""
    return parse_source(path, path.stat().st_mtime_ns)


@functools.cache
def parse_source(path: Path, changed: int) -> SourceFile:
    """Parse a file that was last changed at a time."""
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
    """Yield what a module may import, anywhere in it; of `from a import b` both "a" and "a.b".

    Imports for type checkers only do not count: they decide no result.
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
