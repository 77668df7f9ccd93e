"""Files that are parts of one data set: their splits, and folders of WebDataset's tars."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TypeVar

from pipeline.data.folder_layout import TEST, TRAIN, VALIDATION, plain_split_name, split_folders
from pipeline.data.sources.archive import Tar
from pipeline.data.sources.base import SourceFile
from pipeline.data.sources.names import make_printable


class TarShards:
    """The members of all tars of a folder. A name such as train-00000.tar, or a folder, says the split.

    Args:
        root: Folder that names start from.
        paths: The tars, in order.
    """

    def __init__(self, root: Path, paths: Sequence[Path]) -> None:
        self.shards = [(path, Tar(path)) for path in paths]
        self.root, self.splits = root, splits_of(paths, root)
        self.name = make_printable(root.name)

    def stream(self) -> Iterator[SourceFile]:
        """Yield the members. Raise InputError for a broken archive."""
        for path, tar in self.shards:
            split = (self.splits[path],) if path in self.splits else ()
            shard = path.relative_to(self.root).as_posix()
            for file in tar.stream():
                name = make_printable(f"{shard}/{file.path}")
                yield replace(file, path=name, meaning=(*split, *file.folders))


AnyPath = TypeVar("AnyPath", bound=PurePath)


def splits_of(paths: Sequence[AnyPath], root: AnyPath) -> dict[AnyPath, str]:
    """Return "train" or "test" of shards named after a split, such as train-00000.tar or train/0000.parquet."""
    names = {path: name for path in paths if (name := shard_split(path.relative_to(root).as_posix()))}
    splits = split_folders(set(names.values()))
    return {path: splits[name] for path, name in names.items() if name in splits}


def shard_split(name: str) -> str | None:
    """Return the part of a shard's path that names a split; None if there is none."""
    *folders, file = name.split("/")
    words = [*folders, re.split(r"[-_.]", file)[0]]
    return next((word for word in words if plain_split_name(word) in TRAIN | TEST | VALIDATION), None)
