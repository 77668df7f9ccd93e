"""Ready configurations: presets/NAME.yaml, chosen by copying one to params.yaml."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline import params
from pipeline.errors import InputError
from pipeline.files import write_atomically

HEADER = re.compile(r"\A# For:  (?P<purpose>.+)\n# Cost: (?P<cost>.+)\n")


@dataclass(frozen=True)
class Preset:
    """One complete parameters file; `purpose` and `cost` are the two lines of its header."""

    name: str
    purpose: str
    cost: str
    path: Path


def available(root: Path) -> list[Preset]:
    """The presets of the project in `root`, by name. Raises InputError for a broken header or where there are none."""
    presets = [describe(path) for path in sorted((root / "presets").glob("*.yaml"))]
    if not presets:
        raise InputError(f"{root / 'presets'}: no presets here; run ganline inside a checkout of the project")
    return presets


def describe(path: Path) -> Preset:
    """Reads a preset's header. Raises InputError."""
    try:
        header = HEADER.match(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if header is None:
        raise InputError(f"{path}: must begin with the two lines `# For:  ...` and `# Cost: ...`")
    return Preset(path.stem, header["purpose"], header["cost"], path)


def use(root: Path, name: str) -> Path | None:
    """Makes preset `name` the project's params.yaml.

    A params.yaml that is none of the presets was edited by hand: it is kept beside the new one, and its new path returned.
    Raises InputError for an unknown name (with the nearest) or a preset that does not hold valid parameters.
    """
    presets = {preset.name: preset for preset in available(root)}
    if name not in presets:
        near = difflib.get_close_matches(name, presets, n=1, cutoff=0.3)
        hint = f"did you mean `{near[0]}`? " if near else ""
        raise InputError(f"{name}: no such preset; {hint}there are: {', '.join(presets)}")
    chosen = presets[name].path
    params.load(chosen)
    target = root / "params.yaml"
    kept = None
    if target.exists() and target.read_bytes() not in [preset.path.read_bytes() for preset in presets.values()]:
        kept = unused(root)
        target.rename(kept)
    write_atomically(target, chosen.read_bytes())
    return kept


def unused(root: Path) -> Path:
    """The first of params.yaml.bak, params.yaml.bak2, ... that does not exist, so that nothing kept is ever overwritten."""
    candidate, number = root / "params.yaml.bak", 1
    while candidate.exists():
        number += 1
        candidate = root / f"params.yaml.bak{number}"
    return candidate
