"""Write parameters as a preset: a header, and the keys that differ from the defaults."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import params as parameters
from pipeline.cli.params_text import INDENT, dump, has_lines, plain
from pipeline.cli.presets import HEADER
from pipeline.errors import InputError
from pipeline.files import write_atomically
from pipeline.settings import Settings

AXES = (("data", "medium"), ("model", "variant"))
"""Keys that a preset states even if they are the defaults, because other defaults follow from them."""

MARK = "# For:  the result of `ganline tune`"


def find_target(root: Path, name: str) -> Path:
    """Return where a preset of this name is written.

    Raises:
        InputError: The name is not that of a file, or there is a preset of this name that no search wrote.
    """
    path = root / "presets" / f"{name}.yaml"
    if path.name != f"{name}.yaml" or not name.strip():
        raise InputError(f"--preset {name!r}: must be a name without folders, such as tuned")
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(MARK):
        raise InputError(f"{path}: exists, and `ganline tune` did not write it. Choose another name with --preset")
    return path


def write(path: Path, values: Mapping[str, Any], purpose: str, cost: str, comments: Mapping[str, str]) -> None:
    """Write a preset.

    Args:
        path: The file.
        values: All parameters.
        purpose: What follows the mark in the first line of the header.
        cost: The second line.
        comments: Comments by path of the key.
    """
    params = parameters.parse_values(values, str(path))
    defaults = type(params).model_construct()  # type: ignore[call-arg]
    lines = list(differences(params, defaults, "", comments))
    text = f"{MARK}: {purpose}\n# Cost: {cost}\n" + "\n".join(lines) + "\n"
    assert HEADER.match(text)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, text.encode())


def differences(settings: Settings, default: Settings, path: str, comments: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of the keys whose values differ from the defaults, sections last."""
    fields = type(settings).model_fields.items()
    for name, info in sorted(fields, key=lambda field: has_lines(getattr(settings, field[0])) and bool(path)):
        value, usual = getattr(settings, name), getattr(default, name)
        key = f"{path}{info.alias or name}"
        indent = " " * INDENT * key.count(".")
        if has_lines(value) and isinstance(usual, Settings):
            if lines := list(differences(value, usual, f"{key}.", comments)):
                yield f"{indent}{info.alias or name}:"
                yield from lines
        elif value != usual or tuple(key.split(".")) in AXES:
            comment = f"  # {comments[key]}" if key in comments else ""
            yield f"{indent}{dump({info.alias or name: plain(value)})}{comment}"
