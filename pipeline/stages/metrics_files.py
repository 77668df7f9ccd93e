"""Read and write the flat JSON files under metrics/."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.files import write_atomically


def write(path: Path, values: Mapping[str, Any]) -> None:
    """Write measurements. Raise ValueError for NaN or infinity, which are not valid JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(values, indent=2, allow_nan=False) + "\n").encode())


def read(path: Path, command: str) -> Any:
    """Return the content of a file of measurements.

    Raises:
        InputError: The file is missing (`command` writes it) or cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `{command}` first") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run `dvc repro -f evaluate`") from None


def read_cached(path: Path) -> dict[str, Any] | None:
    """Return cached measurements; None if there are none or they cannot be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None
