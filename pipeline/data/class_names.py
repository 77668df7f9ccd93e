"""Warnings about classes: names look like splits or differ only in case, or numbers change."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from pipeline.data.folder_layout import TEST, TRAIN, VALIDATION, Folders, Layout, list_names

SPLIT_WORDS = TRAIN | TEST | VALIDATION | {"fold", "split", "subset", "query", "gallery"}


def check_class_names(layout: Layout, folders: Iterable[Folders]) -> Iterator[str]:
    """Yield warnings about the classes of a layout that was derived from `folders`."""
    names = layout.labels
    splits = split_lookalikes(layout, folders)
    if splits:
        yield (
            f"the classes {list_quoted(splits)} look like splits, and the folders below are alike. If they are splits, "
            "test items are trained on: rename the folders to train/ and test/. If they are classes, name them in "
            "data.classes"
        )
    same = defaultdict(list)
    for name in names:
        same[name.casefold()].append(name)
    for group in same.values():
        if len(group) > 1:
            yield (
                f"the classes {list_quoted(group)} differ only in case and are separate classes. "
                "If they are one class, rename the folders"
            )


def check_class_numbers(names: Sequence[str], previous: Sequence[str]) -> Iterator[str]:
    """Yield a warning if classes that both sequences contain have other numbers than before."""
    moved = [name for name in names if name in previous and names.index(name) != previous.index(name)]
    if moved:
        changes = list_names([f"{name!r} {previous.index(name)} to {names.index(name)}" for name in moved])
        gone = [name for name in previous if name not in names]
        why = f" The classes {list_quoted(gone)} are missing." if gone else ""
        yield (
            f"classes change their numbers: {changes}.{why} Clients that send a number get another class. "
            "data.classes sets the order"
        )


def split_lookalikes(layout: Layout, folders: Iterable[Folders]) -> list[str]:
    """Return the classes whose names look like splits and whose subfolders are alike; empty if there is one at most.

    Subfolders are alike if at least half of their names are common to all of these classes, or if there are none.
    """
    suspects = {name: set[str]() for name in layout.labels if split_words(name)}
    if len(suspects) < 2 or len(set.union(*map(split_words, suspects))) < 2:
        return []
    for parts in folders:
        place = layout.place(parts)
        if place.label in suspects:
            suspects[place.label].update(parts[layout.depth :][:1])
    below = list(suspects.values())
    alike = len(set.intersection(*below)) * 2 >= len(set.union(*below))
    return sorted(suspects) if alike else []


def split_words(name: str) -> set[str]:
    """Return the words in a name that name a split, with the number that follows: COCO-train2017 has train2017."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return {word + number for word, number in re.findall(r"([a-z]+)(\d*)", spaced.casefold()) if word in SPLIT_WORDS}


def list_quoted(names: Iterable[str]) -> str:
    """Return names in quotes for a message, shortened if there are many."""
    return list_names([repr(name) for name in names])
