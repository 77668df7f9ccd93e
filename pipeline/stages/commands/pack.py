"""`ganline pack`: write the files of a folder into one archive, which DVC hashes, pushes and pulls as one file."""

import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from pipeline.errors import InputError

TIME = (1980, 1, 1, 0, 0, 0)
"""Modification time of all entries, so that the same files give the same archive."""

REGULAR = 0o100644 << 16


def run(folder: Path, output: Path | None = None) -> tuple[Path, int]:
    """Write an uncompressed zip of the files below `folder`; images are compressed already.

    Hidden files and links are left out. The archive appears under its name when it is complete.

    Args:
        folder: What to pack; names in the archive are relative to it.
        output: The archive; by default the folder's name with .zip, next to it.

    Returns:
        The archive and the number of files.

    Raises:
        InputError: The folder does not exist or has no files, or the archive exists or has another suffix.
    """
    output = output or folder.resolve().with_name(f"{folder.resolve().name}.zip")
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    if output.suffix != ".zip":
        raise InputError(f"{output}: the archive's name must end in .zip")
    if output.exists():
        raise InputError(f"{output}: exists already. Remove it, or choose another name with -o.")
    files = [path for path in list_files(folder) if path.resolve() != output.resolve()]
    if not files:
        raise InputError(f"{folder}: has no files to pack")
    part = output.with_name(f".{output.name}.part")
    try:
        write(folder, tqdm(files, desc="pack", unit=" files", mininterval=0.5, disable=None), part)
        part.rename(output)
    finally:
        part.unlink(missing_ok=True)
    return output, len(files)


def list_files(folder: Path) -> list[Path]:
    """Return the regular files below a folder in sorted order, without hidden ones."""
    found = []
    for current, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(current, name) for name in sorted(names) if not name.startswith("."))
        found += [path for path in paths if path.is_file() and not path.is_symlink()]
    return found


def write(folder: Path, files: Iterable[Path], archive: Path) -> None:
    """Write the files to an archive, one at a time."""
    with zipfile.ZipFile(archive, "w") as target:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), TIME)
            entry.external_attr = REGULAR
            with path.open("rb") as source, target.open(entry, "w", force_zip64=path.stat().st_size >= 2**31) as sink:
                while block := source.read(2**20):
                    sink.write(block)
