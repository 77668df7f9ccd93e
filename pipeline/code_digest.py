"""Digest of the code that decides a result: a module and everything it imports inside the project.

The digest is taken over syntax trees without docstrings and comments, so rewording changes nothing. Templates that a
module names count as source. Imports are followed from module to module. Package `__init__` files, registries and
`pipeline.params` are not followed, because they name every variant, task and medium: the caller adds those in use.
"""

import ast
import functools
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = __name__.partition(".")[0]
SOURCE = Path(__file__).parents[1]
"""The folder that holds the package."""

NOT_FOLLOWED = {"__init__", "registry", "params"}
TEMPLATES = (".j2", ".html")
EXTENDS = re.compile(r"{%-?\s*(?:extends|include|import)\s+[\"']([^\"']+)")


def code_digest(*modules: str, source: Path = SOURCE) -> str:
    """Return the sha256 over modules, given by dotted name, and all code of the project that they import.

    Args:
        modules: Where to start, such as "pipeline.training.loop".
        source: The folder that holds the package; another one for a copy.
    """
    total = hashlib.sha256()
    for path in source_files(*modules, source=source):
        total.update(f"{path.relative_to(source)} {file_digest(path)}\n".encode())
    return total.hexdigest()


def defining_modules(*objects: object) -> tuple[str, ...]:
    """Return the modules of the project that define these functions, classes or instances, for `code_digest`."""
    names = {str(getattr(one, "__module__", None) or type(one).__module__) for one in objects}
    return tuple(sorted(name for name in names if module_file(name, SOURCE)))


@functools.cache
def source_files(*modules: str, source: Path = SOURCE) -> tuple[Path, ...]:
    """Return the files that `modules` consist of: themselves, what they import, and templates; sorted.

    Raises:
        FileNotFoundError: There is no such module.
    """
    paths: set[Path] = set()
    waiting = [module_file(name, source) for name in modules]
    for name, path in zip(modules, waiting, strict=True):
        if path is None:
            raise FileNotFoundError(f"{name}: no such module in {source}")
    while waiting:
        path = waiting.pop()
        if path is not None and path not in paths:
            paths.add(path)
            waiting += [module_file(name, source) for name in imported_names(path)]
            paths |= set(templates_of(path))
    return tuple(sorted(paths))


@functools.cache
def file_digest(path: Path) -> str:
    """Return the sha256 of a file: of a module's syntax tree, of any other file's bytes."""
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return hashlib.sha256(ast.dump(WithoutDocstrings().visit(syntax_tree(path))).encode()).hexdigest()


class WithoutDocstrings(ast.NodeTransformer):
    """Removes string literals that are statements: docstrings of modules, classes, functions and attributes."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node


def syntax_tree(path: Path) -> ast.Module:
    """Parse a module."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module_file(name: str, source: Path) -> Path | None:
    """Return the file of a module of the project; None for packages, registries, names and other projects."""
    parts = name.split(".")
    if parts[0] != PACKAGE or parts[-1] in NOT_FOLLOWED:
        return None
    path = source.joinpath(*parts).with_suffix(".py")
    return path if path.is_file() else None


def imported_names(path: Path) -> Iterator[str]:
    """Yield what a module may import, anywhere in it; of `from a import b` both "a" and "a.b".

    Imports for type checkers only do not count: they decide no result.
    """
    waiting: list[ast.AST] = [syntax_tree(path)]
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


def templates_of(path: Path) -> Iterator[Path]:
    """Yield the templates that a module names, and those that they extend or include.

    A template lies in the folder of the module that names it, or below.
    """
    waiting = [
        node.value
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(TEMPLATES)
    ]
    while waiting:
        name = waiting.pop()
        for template in path.parent.rglob(name):
            yield template
            waiting += EXTENDS.findall(template.read_text(encoding="utf-8"))
