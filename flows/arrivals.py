"""What lies where new data arrives, and with what of it a run began: kept as a variable of the Prefect server, so that it is known on every machine."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.variables import Variable

from pipeline import params
from pipeline.errors import InputError


@dataclass(frozen=True)
class Arrival:
    """`fingerprint` is a sha256 over names, sizes and times of change; `newest` the last change, seconds since 1970."""

    fingerprint: str
    files: int
    newest: float


def look(root: Path | str, project: Path) -> Arrival | None:
    """What is under data.watch and data.source of `project`'s params.yaml, relative ones below `root`; None where there is no file.

    Raises InputError for parameters that cannot be read.
    """
    data = params.load(project / "params.yaml").data
    digest, files, newest = hashlib.sha256(), 0, 0.0
    for name in dict.fromkeys((data.watch, data.source)):
        for path, found in entries(Path(root) / name):
            digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\n".encode(errors="surrogateescape"))
            files += 1
            # A copy keeps its old time of change, but not that of its entry.
            newest = max(newest, found.st_mtime, found.st_ctime)
    return Arrival(digest.hexdigest(), files, newest) if files else None


def entries(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The files at or below a path, in order; one that vanishes meanwhile is passed over."""
    if path.is_file():
        yield path.name, path.stat()
    for folder, below, names in os.walk(path):
        below.sort()
        for name in sorted(names):
            full = Path(folder, name)
            try:
                yield str(full.relative_to(path)), full.stat()
            except OSError:
                continue


def begun(root: Path | str, project: Path) -> None:
    """Remembers with which data a run begins: whatever comes of it, that is not new any more."""
    try:
        found = look(root, project)
    except InputError:
        return  # the first stage says what is wrong with params.yaml
    if found is not None:
        remember(root, remembered(root) | {"began": found.fingerprint})


def remembered(root: Path | str) -> dict[str, Any]:
    """What is known of a project's data: `began`, the fingerprint of the last run's; `examined` and `drifted`, of the last one that was looked into."""
    value = Variable.get(name(root), default=None)
    return value if isinstance(value, dict) else {}


def remember(root: Path | str, values: dict[str, Any]) -> None:
    Variable.set(name(root), values, overwrite=True)


def name(root: Path | str) -> str:
    """The variable of a project, wherever it is asked from: the worker's folder counts only for relative paths."""
    full = root if isinstance(root, str) and "://" in root else str(Path(root).resolve())
    return f"ganline_data_{hashlib.sha256(full.encode()).hexdigest()[:12]}"
