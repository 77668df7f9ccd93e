"""From names alone to splits and classes: flat, one folder a class, or train/test above the classes."""

from collections.abc import Iterable
from dataclasses import dataclass

Folders = tuple[str, ...]

TRAIN = frozenset({"train", "training"})
TEST = frozenset({"test", "testing"})
VALIDATION = frozenset({"val", "valid", "validation"})


@dataclass(frozen=True)
class Place:
    """Where an item belongs: `split` None where the source has none of its own, `label` None where there are no classes, `error` where it has no place."""

    split: str | None = None
    label: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Layout:
    """What the folders of a source mean.

    `wrapping` folders above everything (a zipped folder) mean nothing. `splits` maps a folder below them to "train" or "test", and is empty where the
    source has no split of its own. `inner` folders, common to all, are skipped below the split; the next one is the class. Deeper folders mean nothing.
    """

    wrapping: int
    splits: dict[str, str]
    inner: int
    classes: tuple[str, ...]

    @classmethod
    def of(cls, folders: Iterable[Folders]) -> "Layout":
        """The layout of images that lie in `folders` (each named once is enough)."""
        every = set(folders)
        wrapping = common(every)
        below = {parts[wrapping:] for parts in every}
        splits = split_folders({parts[0] for parts in below if parts})
        if splits:
            below = {parts[1:] for parts in below if parts and parts[0] in splits}
        inner = common(below) if splits else 0
        classes = sorted({parts[inner] for parts in below if len(parts) > inner})
        return cls(wrapping, splits, inner, tuple(classes) if len(classes) > 1 else ())

    def place(self, folders: Folders) -> Place:
        """Where an item in `folders` belongs."""
        parts = folders[self.wrapping :]
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
        return Place(split, parts[0])


def common(folders: set[Folders]) -> int:
    """How many leading folders all share."""
    if not folders:
        return 0
    first, last = min(folders), max(folders)
    return next((depth for depth, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), min(len(first), len(last)))


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
    return dict.fromkeys(train, "train") | dict.fromkeys(test, "test") | dict.fromkeys(validation, "train" if test else "test")
