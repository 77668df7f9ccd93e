"""Derive splits and classes from folder names: flat, one folder per class, or train/ and test/ with classes."""

import difflib
import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from pipeline.errors import InputError

Folders = tuple[str, ...]

TRAIN = frozenset({"train", "training"})
TEST = frozenset({"test", "testing", "eval", "evaluation", "holdout", "heldout"})
VALIDATION = frozenset({"val", "valid", "validation", "dev", "development"})
DECORATION = re.compile(r"[-_ ]?(set|split|data|images|imgs|pictures|photos|files)")
"""What may follow the name of a split: training_set, train_images."""

COMPOUND = re.compile(rf"((?i:{'|'.join(sorted(TRAIN | TEST | VALIDATION))}))[-_ ]?([AB])")
"""One folder for a split and a side: trainA, trainB, testA, testB."""

MAX_LISTED = 20
"""Maximum number of classes that a message lists."""


@dataclass(frozen=True)
class Place:
    """Where a file belongs.

    Attributes:
        split: "train" or "test"; None if the source has no split.
        label: Class; None if there are no classes.
        error: Why the file belongs nowhere; None if it has a place.
        wanted: Whether `data.classes` selects the file.
    """

    split: str | None = None
    label: str | None = None
    error: str | None = None
    wanted: bool = True


@dataclass(frozen=True)
class Layout:
    """The meaning of the folders of a source.

    Attributes:
        wrapping: Number of outer folders that all files share (a zipped folder); they are ignored.
        splits: Maps the next folder to "train" or "test"; empty if the source has no split.
        inner: Number of folders below the split that all files share; they are ignored. The next folder is the class.
            Deeper folders are ignored.
        classes: Names of the class folders.
        compound: Split and class are one folder (trainA).
        only: Classes that `data.classes` selects, in its order; None for all.
        labelled: Whether classes are labels; if False, they only select files.
    """

    wrapping: int
    splits: dict[str, str]
    inner: int
    classes: tuple[str, ...]
    compound: bool = False
    only: tuple[str, ...] | None = None
    labelled: bool = True

    @classmethod
    def of(cls, folders: Iterable[Folders]) -> "Layout":
        """Derive the layout from the folders of all files."""
        paths = set(folders)
        wrapping = common_depth(paths)
        below = {parts[wrapping:] for parts in paths}
        matches = {match.groups() for parts in below if parts and (match := COMPOUND.fullmatch(parts[0]))}
        sides, splits_of_sides = {side for _, side in matches}, {split for split, _ in matches}
        compound = len(sides) == 2 and bool(split_folders(splits_of_sides))
        if compound:
            below = {split_compound(parts) for parts in below}
        splits = split_folders({parts[0] for parts in below if parts})
        if splits:
            below = {parts[1:] for parts in below if parts and parts[0] in splits}
        inner = common_depth(below) if splits else 0
        classes = sorted({parts[inner] for parts in below if len(parts) > inner})
        return cls(wrapping, splits, inner, tuple(classes) if len(classes) > 1 else (), compound)

    def with_classes(self, names: Sequence[str]) -> "Layout":
        """Restrict the layout to these classes, in this order. A single class is not a label.

        Raises:
            InputError: The source has no class of that name.
        """
        if not self.classes:
            raise InputError(
                "data.classes: the source has no classes. Classes are folders: one folder per class, at least two"
            )
        for name in names:
            if name not in self.classes:
                near = [other for other in self.classes if other.casefold() == name.casefold()]
                near = near or difflib.get_close_matches(name, self.classes, n=1, cutoff=0.5)
                hint = f"did you mean `{near[0]}`? " if near else ""
                raise InputError(
                    f"data.classes: the source has no class {name!r}; {hint}its classes are {self.list_classes()}"
                )
        return replace(self, only=tuple(names), labelled=len(names) > 1)

    def keep_order(self, previous: Sequence[str]) -> "Layout":
        """Number the classes as `previous` did, and the new ones after them. Without a common class nothing changes."""
        known = [name for name in previous if name in self.classes]
        return replace(self, classes=(*known, *(name for name in self.classes if name not in known)))

    def list_classes(self) -> str:
        """Return the names of the classes, shortened if there are many."""
        return list_names(self.classes)

    def without_labels(self) -> "Layout":
        """Return the layout without labels. `data.classes` still selects files."""
        return replace(self, labelled=False, classes=self.classes if self.only else ())

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes in the order of their labels 0, 1, ..."""
        return (self.only or self.classes) if self.labelled else ()

    def place(self, folders: Folders) -> Place:
        """Return where a file in `folders` belongs."""
        parts = folders[self.wrapping :]
        if self.compound:
            parts = split_compound(parts)
        split = None
        if self.splits:
            split = self.splits.get(parts[0]) if parts else None
            if split is None:
                return Place(error=f"is outside the folders {', '.join(sorted(self.splits))}")
            parts = parts[1 + self.inner :]
        if not self.classes:
            return Place(split)
        if not parts or parts[0] not in self.classes:
            return Place(split, error="is next to the class folders, not in one of them")
        return Place(split, parts[0] if self.labelled else None, wanted=self.only is None or parts[0] in self.only)

    @property
    def depth(self) -> int:
        """Number of folders down to the class folder, which is included."""
        return self.wrapping + (self.inner + (0 if self.compound else 1) if self.splits else 0) + 1

    def pair_name(self, path: str, suffixes: Collection[str]) -> str:
        """Return the common name of partners in two class folders: the path below, without a known suffix."""
        *inner, name = path.split("/")[self.depth :]
        stem, suffix = os.path.splitext(name)
        # macOS stores accented letters as two characters, other systems as one.
        return unicodedata.normalize("NFC", "/".join([*inner, stem if suffix.casefold() in suffixes else name]))


def split_compound(parts: Folders) -> Folders:
    """Convert trainA/... to train/A/...; return other folders unchanged."""
    match = COMPOUND.fullmatch(parts[0]) if parts else None
    return (*match.groups(), *parts[1:]) if match else parts


def common_depth(folders: set[Folders]) -> int:
    """Return the number of leading folders that all paths share."""
    if not folders:
        return 0
    first, last = min(folders), max(folders)
    return next(
        (depth for depth, (one, other) in enumerate(zip(first, last, strict=False)) if one != other),
        min(len(first), len(last)),
    )


def plain_split_name(name: str) -> str:
    """Return a folder's name in lower case, without what may follow the name of a split: Train_Images is train."""
    plain = name.casefold().replace("held_out", "heldout").replace("held-out", "heldout").replace("hold_out", "holdout")
    match = re.fullmatch(rf"({'|'.join(sorted(TRAIN | TEST | VALIDATION))}){DECORATION.pattern}", plain)
    return match[1] if match else plain


def split_folders(names: set[str]) -> dict[str, str]:
    """Map split folders to splits; empty without a train folder and a held-out folder.

    `test` is never trained on. `val` is training data if there is a `test` folder, and held out otherwise.
    """
    known = {name: plain_split_name(name) for name in names}
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


def list_names(names: Sequence[str]) -> str:
    """Return names for a message, shortened if there are many."""
    rest = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + rest
