"""From names alone to splits and classes: flat, one folder a class, or train/test above the classes."""

import difflib
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pipeline.errors import InputError
from pipeline.media.image.image import SUFFIXES

Folders = tuple[str, ...]

TRAIN = frozenset({"train", "training"})
TEST = frozenset({"test", "testing"})
VALIDATION = frozenset({"val", "valid", "validation"})
JOINED = re.compile(rf"((?i:{'|'.join(sorted(TRAIN | TEST | VALIDATION))}))[-_ ]?([AB])")
"""One folder for a split and a side of it: trainA, trainB, testA, testB."""

LISTED = 20
"""Classes that a message names, at most."""


@dataclass(frozen=True)
class Place:
    """Where an item belongs: `split` None where the source has none of its own, `label` None where there are no classes, `error` where it has no place.

    Not `wanted` is what lies in a class that was not asked for.
    """

    split: str | None = None
    label: str | None = None
    error: str | None = None
    wanted: bool = True


@dataclass(frozen=True)
class Layout:
    """What the folders of a source mean.

    `wrapping` folders above everything (a zipped folder) mean nothing. `splits` maps a folder below them to "train" or "test", and is empty where the
    source has no split of its own. `inner` folders, common to all, are skipped below the split; the next one is the class. Deeper folders mean nothing.
    With `joined` split and class are one folder (trainA). `only` are the classes asked for, in their order, None for all; without `labelled` they only
    select.
    """

    wrapping: int
    splits: dict[str, str]
    inner: int
    classes: tuple[str, ...]
    joined: bool = False
    only: tuple[str, ...] | None = None
    labelled: bool = True

    @classmethod
    def of(cls, folders: Iterable[Folders]) -> "Layout":
        """The layout of images that lie in `folders` (each named once is enough)."""
        every = set(folders)
        wrapping = common(every)
        below = {parts[wrapping:] for parts in every}
        found = {match.groups() for parts in below if parts and (match := JOINED.fullmatch(parts[0]))}
        joined = len({side for _, side in found}) == 2 and bool(split_folders({split for split, _ in found}))
        if joined:
            below = {parted(parts) for parts in below}
        splits = split_folders({parts[0] for parts in below if parts})
        if splits:
            below = {parts[1:] for parts in below if parts and parts[0] in splits}
        inner = common(below) if splits else 0
        classes = sorted({parts[inner] for parts in below if len(parts) > inner})
        return cls(wrapping, splits, inner, tuple(classes) if len(classes) > 1 else (), joined)

    def of_classes(self, names: Sequence[str]) -> "Layout":
        """The same with these classes alone, in this order; one alone is no class. Raises InputError for a class that is not there."""
        if not self.classes:
            raise InputError(
                "data.classes: the source has no classes; they are the names of folders, one a class, of which there must be two or more"
            )
        for name in names:
            if name not in self.classes:
                near = difflib.get_close_matches(name, self.classes, n=1, cutoff=0.5)
                hint = f"did you mean `{near[0]}`? " if near else ""
                rest = f" and {len(self.classes) - LISTED} more" if len(self.classes) > LISTED else ""
                raise InputError(
                    f"data.classes: the source has no class {name!r}; {hint}there are {', '.join(self.classes[:LISTED])}{rest}"
                )
        return replace(self, only=tuple(names), labelled=len(names) > 1)

    def unlabelled(self) -> "Layout":
        """The same without labels: classes still select where they were asked for, and mean nothing else."""
        return replace(self, labelled=False, classes=self.classes if self.only else ())

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes by their labels 0, 1, ..."""
        return (self.only or self.classes) if self.labelled else ()

    def place(self, folders: Folders) -> Place:
        """Where an item in `folders` belongs."""
        parts = folders[self.wrapping :]
        if self.joined:
            parts = parted(parts)
        split = None
        if self.splits:
            split = self.splits.get(parts[0]) if parts else None
            if split is None:
                return Place(error=f"lies outside the folders {', '.join(sorted(self.splits))}")
            parts = parts[1 + self.inner :]
        if not self.classes:
            return Place(split)
        if not parts or parts[0] not in self.classes:
            return Place(split, error="lies beside the class folders, not in one")
        return Place(split, parts[0] if self.labelled else None, wanted=self.only is None or parts[0] in self.only)

    def pair(self, path: str) -> str:
        """What the paths of partners in two class folders have in common: all below that folder but an image's suffix."""
        depth = self.wrapping + (self.inner + (0 if self.joined else 1) if self.splits else 0) + 1
        *inner, name = path.split("/")[depth:]
        stem, suffix = os.path.splitext(name)
        # Macs write letters with accents as two characters, others as one.
        return unicodedata.normalize("NFC", "/".join([*inner, stem if suffix.casefold() in SUFFIXES else name]))


def parted(parts: Folders) -> Folders:
    """trainA/... as train/A/...; others as they are."""
    match = JOINED.fullmatch(parts[0]) if parts else None
    return (*match.groups(), *parts[1:]) if match else parts


def common(folders: set[Folders]) -> int:
    """How many leading folders all share."""
    if not folders:
        return 0
    first, last = min(folders), max(folders)
    return next(
        (depth for depth, (one, other) in enumerate(zip(first, last, strict=False)) if one != other),
        min(len(first), len(last)),
    )


def split_folders(names: set[str]) -> dict[str, str]:
    """What each split folder counts as; empty unless there is a train folder and a held-out one (otherwise they are ordinary folders).

    `test` is never trained on. `val` is held out too where there is no `test`; beside one it is training data.
    """
    known = {name: name.casefold() for name in names}
    train = {name for name, plain in known.items() if plain in TRAIN}
    test = {name for name, plain in known.items() if plain in TEST}
    validation = {name for name, plain in known.items() if plain in VALIDATION}
    if not train or not (test or validation):
        return {}
    return (
        dict.fromkeys(train, "train")
        | dict.fromkeys(test, "test")
        | dict.fromkeys(validation, "train" if test else "test")
    )
