"""Sources of files, one module for each kind. `open_source` selects one by `data.source`."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.data.sources.archive import TAR_SUFFIXES, Tar, Zip
from pipeline.data.sources.base import Source
from pipeline.data.sources.builtin import Builtin
from pipeline.data.sources.folder import Folder
from pipeline.data.sources.numpy_arrays import Arrays
from pipeline.data.sources.objects import open_objects
from pipeline.data.sources.parquet import Parquet
from pipeline.data.sources.remote import RemoteFiles, is_remote
from pipeline.data.sources.shards import TarShards
from pipeline.data.sources.table import TABLE_SUFFIXES, Table
from pipeline.data.workers import Workers
from pipeline.errors import InputError
from pipeline.files import is_litter
from pipeline.media.base import Medium
from pipeline.media.settings import DataSettings

ARRAY_SUFFIXES = (".npy", ".npz")
OTHER_FILES = (".parquet", *TABLE_SUFFIXES)


def open_source(
    medium: Medium, settings: DataSettings, root: Path, cache: Path, workers: Workers | None = None
) -> Source:
    """Open the source that `data.source` names.

    Args:
        medium: The medium, which may have built-in sources.
        settings: Section `data` of params.yaml.
        root: Folder that relative paths start from.
        cache: Folder for downloads.
        workers: Processes that read remote objects themselves; None copies the objects to the cache.

    Raises:
        InputError: The source does not exist, or the file is not an archive.
    """
    builtin = medium.open_source(settings.source, settings, cache)
    if builtin is not None:
        return Builtin(builtin)
    if is_remote(settings.source):
        files = RemoteFiles.of(settings.source)
        if workers is not None and (objects := open_objects(files, medium, workers)):
            return objects
        path = files.fetch(cache)
    else:
        path = root / Path(settings.source).expanduser()
    if path.is_dir():
        return open_folder(path, medium, [root / Path(each).expanduser() for each in settings.links])
    others = (*OTHER_FILES, *ARRAY_SUFFIXES * medium.arrays)
    kinds = " | ".join([*medium.sources, "a folder", "a .zip or .tar(.gz, .bz2, .xz)", *others, "s3://..."])
    if path.is_file():
        source = open_file(path, medium)
        if source is not None:
            return source
        known = ", ".join([".zip", *TAR_SUFFIXES, *others])
        raise InputError(f"data.source: {path}: the file is none of {known}; sources are {kinds}")
    if path.is_symlink() or path.exists():
        raise InputError(f"data.source: {path}: neither a folder nor a file; sources are {kinds}")
    near = difflib.get_close_matches(settings.source, medium.sources, n=1)
    hint = f"did you mean `{near[0]}`? " if near else ""
    raise InputError(f"data.source: {settings.source!r}: no such folder or archive ({path}); {hint}sources are {kinds}")


def open_file(path: Path, medium: Medium) -> Source | None:
    """Open a source that is one file; None if its suffix is unknown. Raises InputError for a file without items."""
    name = path.name.casefold()
    if name.endswith(".zip"):
        return Zip(path)
    if name.endswith(TAR_SUFFIXES):
        return Tar(path)
    if name.endswith(".parquet"):
        return Parquet(path.parent, [path])
    if medium.arrays and name.endswith(ARRAY_SUFFIXES):
        return Arrays(path, medium)
    return Table(path) if name.endswith(TABLE_SUFFIXES) else None


def open_folder(path: Path, medium: Medium, linked: Sequence[Path]) -> Source:
    """Open a folder. If it holds no items but Parquet files or tars, these are the source.

    Its symbolic links may lead to the folders `linked`.
    """
    found: dict[str, list[Path]] = {".parquet": [], ".tar": []}
    for folder, below, names in os.walk(path):
        below[:] = sorted(name for name in below if not is_litter((name,)))
        for name in sorted(names):
            suffix = os.path.splitext(name)[1].casefold()
            if suffix in medium.suffixes:
                return Folder(path, linked)
            if suffix in found and not is_litter((name,)):
                found[suffix].append(Path(folder, name))
    if found[".parquet"]:
        return Parquet(path, found[".parquet"])
    return TarShards(path, found[".tar"]) if found[".tar"] else Folder(path, linked)
