"""Where images come from: one file a kind, all behind `base.Source`; `open_source` chooses by `data.source`."""

import difflib
from pathlib import Path

from pipeline.data.sources.archive import TAR_SUFFIXES, Tar, Zip
from pipeline.data.sources.base import Source
from pipeline.data.sources.digits import Digits
from pipeline.data.sources.folder import Folder
from pipeline.data.sources.torchvision import Torchvision
from pipeline.errors import InputError

KINDS = "digits | a folder | a .zip or .tar(.gz, .bz2, .xz) | torchvision:NAME"


def open_source(source: str, root: Path, cache: Path) -> Source:
    """The source that `data.source` names; relative paths are relative to `root`, downloads go below `cache`.

    Raises InputError for an unknown kind, a path that is not there, or a file that is no archive.
    """
    if source == "digits":
        return Digits()
    if source.startswith("torchvision:"):
        return Torchvision(source.removeprefix("torchvision:"), cache / "torchvision")
    path = root / Path(source).expanduser()
    if path.is_dir():
        return Folder(path)
    if path.is_file():
        name = path.name.casefold()
        if name.endswith(".zip"):
            return Zip(path)
        if name.endswith(TAR_SUFFIXES):
            return Tar(path)
        raise InputError(
            f"data.source: {path}: a file that is neither .zip nor {', '.join(TAR_SUFFIXES)}; sources are {KINDS}"
        )
    near = difflib.get_close_matches(source, ["digits", "torchvision:"], n=1)
    hint = f"did you mean `{near[0]}`? " if near else ""
    if path.is_symlink() or path.exists():
        raise InputError(f"data.source: {path}: neither a folder nor a file; sources are {KINDS}")
    raise InputError(f"data.source: {source!r}: no such folder or archive ({path}); {hint}sources are {KINDS}")
