"""Sources of files, one module for each kind. `open_source` selects one by `data.source`."""

import difflib
from pathlib import Path

from pipeline.data.sources.archive import TAR_SUFFIXES, Tar, Zip
from pipeline.data.sources.base import Source
from pipeline.data.sources.builtin import Builtin
from pipeline.data.sources.folder import Folder
from pipeline.errors import InputError
from pipeline.media.base import Medium
from pipeline.media.settings import DataSettings


def open_source(medium: Medium, settings: DataSettings, root: Path, cache: Path) -> Source:
    """Open the source that `data.source` names.

    Args:
        medium: The medium, which may have built-in sources.
        settings: Section `data` of params.yaml.
        root: Folder that relative paths start from.
        cache: Folder for downloads.

    Raises:
        InputError: The source does not exist, or the file is not an archive.
    """
    builtin = medium.open_source(settings.source, settings, cache)
    if builtin is not None:
        return Builtin(builtin)
    path = root / Path(settings.source).expanduser()
    if path.is_dir():
        return Folder(path)
    kinds = " | ".join([*medium.sources, "a folder", "a .zip or .tar(.gz, .bz2, .xz)"])
    if path.is_file():
        name = path.name.casefold()
        if name.endswith(".zip"):
            return Zip(path)
        if name.endswith(TAR_SUFFIXES):
            return Tar(path)
        raise InputError(
            f"data.source: {path}: the file is neither .zip nor {', '.join(TAR_SUFFIXES)}; sources are {kinds}"
        )
    if path.is_symlink() or path.exists():
        raise InputError(f"data.source: {path}: neither a folder nor a file; sources are {kinds}")
    near = difflib.get_close_matches(settings.source, medium.sources, n=1)
    hint = f"did you mean `{near[0]}`? " if near else ""
    raise InputError(f"data.source: {settings.source!r}: no such folder or archive ({path}); {hint}sources are {kinds}")
