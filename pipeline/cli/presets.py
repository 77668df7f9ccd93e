"""Ready configurations. A preset states what differs from the defaults; `use` writes the complete params.yaml."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from pipeline import params
from pipeline.cli.params_text import format_params
from pipeline.errors import InputError
from pipeline.files import write_atomically

HEADER = re.compile(r"\A# For:  (?P<purpose>.+)\n# Cost: (?P<cost>.+)\n(?:#.*\n)*")
EOL_COMMENT = 2
"""Where ruamel.yaml keeps the comment at the end of a key's line."""


@dataclass(frozen=True)
class Preset:
    """A file presets/NAME.yaml.

    Attributes:
        purpose, cost: The first two lines of its header.
        header: All comment lines at its top.
        text: The whole file.
    """

    name: str
    purpose: str
    cost: str
    header: str
    text: str
    path: Path

    def complete_text(self) -> str:
        """Return the complete params.yaml; comments of the preset replace the general ones. Raise InputError."""
        settings = params.parse(self.text, str(self.path))
        return format_params(settings, self.header, dict(comments_of(YAML().load(self.text))))


def list_presets(root: Path) -> list[Preset]:
    """Return the presets of the project in `root`, sorted by name.

    Raises:
        InputError: There are no presets, or a header is not valid.
    """
    presets = [read_preset(path) for path in sorted((root / "presets").glob("*.yaml"))]
    if not presets:
        raise InputError(f"{root / 'presets'}: no presets here; run ganline inside a checkout of the project")
    return presets


def read_preset(path: Path) -> Preset:
    """Read a preset and its header. Raise InputError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    header = HEADER.match(text)
    if header is None:
        raise InputError(f"{path}: must begin with the two lines `# For:  ...` and `# Cost: ...`")
    return Preset(path.stem, header["purpose"], header["cost"], header[0], text, path)


def comments_of(section: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the comments at the ends of lines, each with the path of its key, such as "train.flips"."""
    if not isinstance(section, CommentedMap):
        return
    for key, value in section.items():
        token = section.ca.items.get(key, [None] * (EOL_COMMENT + 1))[EOL_COMMENT]
        comment = token.value.splitlines()[0].lstrip("# ") if token else ""
        if comment:
            yield f"{path}{key}", comment
        yield from comments_of(value, f"{path}{key}.")


def use(root: Path, name: str) -> Path | None:
    """Write preset `name` to params.yaml.

    Returns:
        Where the previous params.yaml was kept if it had been edited by hand; None if there was nothing to keep.

    Raises:
        InputError: There is no such preset, or it does not hold valid parameters.
    """
    presets = {preset.name: preset for preset in list_presets(root)}
    if name not in presets:
        near = difflib.get_close_matches(name, presets, n=1, cutoff=0.3)
        hint = f"did you mean `{near[0]}`? " if near else ""
        raise InputError(f"{name}: no such preset; {hint}available: {', '.join(presets)}")
    text = presets[name].complete_text()
    target = root / "params.yaml"
    backup = None
    if target.exists() and is_edited(target.read_bytes(), list(presets.values())):
        backup = next_backup(root)
        target.rename(backup)
    write_atomically(target, text.encode())
    return backup


def is_edited(content: bytes, presets: list[Preset]) -> bool:
    """Whether a params.yaml differs from what `use` writes for the preset that its header names."""
    origin = next((preset for preset in presets if content.startswith(preset.header.encode())), None)
    try:
        return origin is None or content != origin.complete_text().encode()
    except InputError:  # that preset is broken, so it did not write this file
        return True


def next_backup(root: Path) -> Path:
    """Return the first of params.yaml.bak, params.yaml.bak2, ... that does not exist. No backup is overwritten."""
    candidate, number = root / "params.yaml.bak", 1
    while candidate.exists():
        number += 1
        candidate = root / f"params.yaml.bak{number}"
    return candidate
