"""The first pass over a source, over names alone: what the folders mean, and which files belong together."""

import hashlib
import os
from collections import Counter
from dataclasses import dataclass

from pipeline.data.folder_layout import MAX_LISTED, Folders, Layout, Place
from pipeline.data.sources.base import Source, SourceFile
from pipeline.errors import InputError
from pipeline.media.base import Medium
from pipeline.media.settings import DataSettings

Group = tuple[str | None, str | None]
"""(split, class), None if the source has none."""


@dataclass(frozen=True)
class Survey:
    """What the names of a source tell.

    Attributes:
        files: How many files there are.
        wanted: How many of them `data.classes` asks for.
        layout: What the folders mean.
        groups: The splits and classes that there are.
    """

    files: int
    wanted: int
    layout: Layout
    groups: frozenset[Group]

    @classmethod
    def of(cls, source: Source, medium: Medium, settings: DataSettings) -> "Survey":
        """Read all names once. The layout follows from files with a suffix of the medium, or from all if none has one."""
        files = 0
        known: Counter[Folders] = Counter()
        others: Counter[Folders] = Counter()
        for file in source.stream():
            files += 1
            if file.error is None:
                (known if has_suffix(file, medium) else others)[file.folders] += 1
        layout = apply_settings(Layout.of(known or others), medium, settings)
        places = [layout.place(folders) for folders in known or others]
        unwanted = sum(count for folders, count in (known + others).items() if not layout.place(folders).wanted)
        groups = {(place.split, place.label) for place in places if place.error is None and place.wanted}
        return cls(files, files - unwanted, layout, frozenset(groups))

    def estimate(self, limit: int | None) -> int:
        """Return about how many files will be decoded."""
        if limit is None:
            return self.wanted
        return min(self.wanted, sum(limit * (1 if split else 2) for split, _ in self.groups))


def has_suffix(file: SourceFile, medium: Medium) -> bool:
    """Return whether a file has a suffix of the medium."""
    return os.path.splitext(file.path)[1].casefold() in medium.suffixes


def apply_settings(layout: Layout, medium: Medium, settings: DataSettings) -> Layout:
    """Return the layout that `data.classes` and `data.pairs` ask for.

    Raises:
        InputError: A class is missing, or pairs need two folders and there are not two.
    """
    if settings.classes is not None:
        layout = layout.with_classes(settings.classes)
    if settings.side_by_side:
        return layout.without_labels()
    if settings.pairs == "folders" and len(layout.labels) != 2:
        labels = layout.labels
        count = f"{len(labels)} ({', '.join(labels[:MAX_LISTED])})" if labels else "none"
        raise InputError(
            f"data.pairs folders: looked for two folders of {medium.noun}s, A and B (or train/A, train/B, test/A, "
            f"test/B), and found {count}; name the two in data.classes, that of A first"
        )
    return layout


def split_by_hash(content: str, settings: DataSettings) -> str:
    """Return the split of a file if the source has none.

    Its content decides, so copies are never in both splits, and no file changes its split when the data grows.
    """
    digest = hashlib.sha256(f"{settings.seed}:{content}".encode()).digest()
    return "test" if int.from_bytes(digest[:8], "big") / 2**64 < settings.test_fraction else "train"


def pair_of(file: SourceFile, place: Place, layout: Layout, medium: Medium, settings: DataSettings) -> tuple[str, str]:
    """Return split and pair name of a file in one of two folders. The name decides the split, so partners share it."""
    name = layout.pair_name(file.path, medium.suffixes)
    return place.split or split_by_hash(name, settings), name


def first_pairs(source: Source, layout: Layout, medium: Medium, settings: DataSettings) -> frozenset[tuple[str, str]]:
    """Return splits and names of the first `data.limit` pairs of each split, in order of their names.

    This holds all names in memory: only after the last one it is known which files are partners.

    Raises:
        InputError: No file has a partner.
    """
    sides: dict[tuple[str, str], int] = {}  # 1: A is there, 2: B, 3: both
    other_suffix = set()
    for file in source.stream():
        place = layout.place(file.folders)
        if file.error is None and place.error is None and place.label in layout.labels:
            pair = pair_of(file, place, layout, medium, settings)
            sides[pair] = sides.get(pair, 0) | 1 << layout.labels.index(place.label)
            if not has_suffix(file, medium):
                other_suffix.add(pair)
    complete = [pair for pair, bits in sides.items() if bits == 3]
    complete.sort(key=lambda pair: (pair in other_suffix, pair))
    if not complete:
        firsts = [min((name for (_, name), bits in sides.items() if bits == bit), default="nothing") for bit in (1, 2)]
        a, b = (f"{label!r} holds {name}" for label, name in zip(layout.labels, firsts, strict=True))
        raise InputError(
            f"data.pairs folders: no file has a partner of its name in the other folder ({a}, {b}, ...); "
            "give partners one name, apart from the suffix"
        )
    by_split = ([pair for pair in complete if pair[0] == split][: settings.limit] for split in ("train", "test"))
    return frozenset(pair for pairs in by_split for pair in pairs)
