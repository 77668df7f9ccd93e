"""Track which input data a run has used, in a variable of the Prefect server that every machine can read."""

import hashlib
import json
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
    """The input data at one moment.

    `fingerprint` is a sha256 over names, sizes and modification times. `newest` is the time of the last change in
    seconds since 1970.
    """

    fingerprint: str
    files: int
    newest: float


def scan(root: Path | str, project: Path) -> Arrival | None:
    """Return the state of the files under data.watch and data.source; None if there are none.

    Of a remote source, the ETags count.

    Args:
        root: Folder that relative paths start from.
        project: Folder whose params.yaml names the paths.

    Raises:
        InputError: params.yaml cannot be read, or a remote source cannot be reached.
    """
    from pipeline.data.sources.remote import RemoteFiles, is_remote

    data = params.load(project / "params.yaml").data
    digest, files, newest = hashlib.sha256(), 0, 0.0
    for name in dict.fromkeys((data.watch, data.source)):
        if is_remote(name):
            versions = RemoteFiles.of(name).versions
            digest.update(json.dumps(versions, sort_keys=True).encode())
            files += len(versions)
            continue
        for path, status in iterate_files(Path(root) / name):
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
            files += 1
            # `cp -p` preserves the modification time; the change time shows when the copy arrived.
            newest = max(newest, status.st_mtime, status.st_ctime)
    return Arrival(digest.hexdigest(), files, newest) if files else None


def iterate_files(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files at or below `path` in sorted order; skip files that disappear during the scan."""
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


def record_start(root: Path | str, project: Path) -> None:
    """Record the data that a run starts on. It no longer counts as new, even if the run fails."""
    try:
        arrival = scan(root, project)
    except InputError:
        return  # the first stage reports what is wrong with params.yaml
    if arrival is not None:
        save_state(root, load_state(root) | {"began": arrival.fingerprint})


def load_state(root: Path | str) -> dict[str, Any]:
    """Return what is recorded about a project's data.

    `began` is the fingerprint of the last run's data, `tested` that of the last data tested for drift, and `drift` the
    result of that test.
    """
    value = Variable.get(variable_name(root), default=None)
    return value if isinstance(value, dict) else {}


def save_state(root: Path | str, values: dict[str, Any]) -> None:
    """Replace what is recorded about a project's data."""
    Variable.set(variable_name(root), values, overwrite=True)


def variable_name(root: Path | str) -> str:
    """Return the name of a project's Prefect variable, the same for relative and absolute paths."""
    full = root if isinstance(root, str) and "://" in root else str(Path(root).resolve())
    return f"ganline_data_{hashlib.sha256(full.encode()).hexdigest()[:12]}"
