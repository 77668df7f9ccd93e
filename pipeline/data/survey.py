"""The first pass over a source reads names only: it derives the folder layout and matches pairs."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.data.class_names import check_class_names, check_class_numbers
from pipeline.data.folder_layout import MAX_LISTED, Folders, Layout, Place
from pipeline.data.sources.base import Source, SourceFile
from pipeline.errors import InputError
from pipeline.media.base import Medium
from pipeline.media.settings import DataSettings

Group = tuple[str | None, str | None]
"""(split, class); None for what the source does not have."""


@dataclass(frozen=True)
class SplitLimits:
    """The most items, or pairs of folders, of each split (and class) under `data.limit`."""

    train: int
    test: int
    drawn: bool

    @classmethod
    def of(cls, settings: DataSettings, layout: Layout) -> "SplitLimits | None":
        """Return the limits; None without `data.limit`.

        If the source has no test split, the held-out side is scaled, so that `data.test_fraction` still holds.
        """
        if settings.limit is None:
            return None
        if layout.splits or settings.held_out:
            return cls(settings.limit, settings.limit, drawn=False)
        share = settings.test_fraction / (1 - settings.test_fraction)
        return cls(settings.limit, max(1, round(settings.limit * share)) if share else 0, drawn=True)

    def of_split(self, split: str) -> int:
        """Return the limit of one split."""
        return self.test if split == "test" else self.train

    def describe(self, settings: DataSettings, *, labelled: bool) -> str:
        """Return both limits with the reason."""
        unit = "pairs" if settings.pairs == "folders" else "items of each class" if labelled else "items"
        given = "data.held_out" if settings.held_out else "the source has its own test split"
        reason = f"data.test_fraction {settings.test_fraction:g}" if self.drawn else given
        return f"data.limit {settings.limit}: at most {self.train} train and {self.test} test {unit} ({reason})"


@dataclass(frozen=True)
class Survey:
    """The result of the first pass.

    Attributes:
        files: Number of files.
        wanted: Number of files that `data.classes` selects.
        layout: Meaning of the folders.
        groups: Splits and classes of the source.
        limits: The most items of each split; None takes all.
        warnings: What is odd about the names and numbers of the classes.
    """

    files: int
    wanted: int
    layout: Layout
    groups: frozenset[Group]
    limits: SplitLimits | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, source: Source, medium: Medium, settings: DataSettings, previous_classes: Sequence[str] = ()
    ) -> "Survey":
        """Read all names once.

        The layout is derived from files with a suffix of the medium, or from all files if none has one. Classes keep
        their numbers in `previous_classes`, and new ones follow, unless `data.classes` or `data.pairs` gives an order.
        """
        files = 0
        known: Counter[Folders] = Counter()
        others: Counter[Folders] = Counter()
        for file in source.stream():
            files += 1
            if file.error is None:
                (known if has_suffix(file, medium) else others)[file.folders] += 1
        layout = Layout.of(known or others)
        if settings.pairs == "none":
            layout = layout.keep_order(previous_classes)
        layout = apply_settings(layout, medium, settings)
        places = [layout.place(folders) for folders in known or others]
        unwanted = sum(count for folders, count in (known + others).items() if not layout.place(folders).wanted)
        groups = {(place.split, place.label) for place in places if place.error is None and place.wanted}
        if settings.held_out:
            groups = {(split, label) for _, label in groups for split in ("train", "test")}
        warnings = [] if settings.classes else list(check_class_names(layout, known or others))
        warnings += check_class_numbers(layout.labels, previous_classes)
        limits = SplitLimits.of(settings, layout)
        return cls(files, files - unwanted, layout, frozenset(groups), limits, tuple(warnings))

    def estimate(self) -> int:
        """Estimate the number of files to decode."""
        limits = self.limits
        if limits is None:
            return self.wanted
        most = (limits.of_split(split) if split else limits.train + limits.test for split, _ in self.groups)
        return min(self.wanted, sum(most))


def has_suffix(file: SourceFile, medium: Medium) -> bool:
    """Return whether a file has a suffix of the medium."""
    return os.path.splitext(file.path)[1].casefold() in medium.suffixes


def apply_settings(layout: Layout, medium: Medium, settings: DataSettings) -> Layout:
    """Apply `data.classes` and `data.pairs` to a layout.

    Raises:
        InputError: A class is missing, or there are not exactly two folders for pairs.
    """
    if settings.classes is not None:
        layout = layout.with_classes(settings.classes)
    if settings.side_by_side:
        return layout.without_labels()
    if settings.pairs == "folders" and len(layout.labels) != 2:
        labels = layout.labels
        count = f"{len(labels)} ({', '.join(labels[:MAX_LISTED])})" if labels else "none"
        raise InputError(
            f"data.pairs folders: expected two folders of {medium.noun}s, A and B (or train/A, train/B, test/A, "
            f"test/B), but found {count}. Name the two in data.classes, A first"
        )
    return layout


def split_by_hash(content: str, settings: DataSettings) -> str:
    """Choose the split of a file by its content, for sources without splits.

    Copies are therefore in the same split, and no file changes its split when the data grows.
    """
    digest = hashlib.sha256(f"{settings.seed}:{content}".encode()).digest()
    return "test" if int.from_bytes(digest[:8], "big") / 2**64 < settings.test_fraction else "train"


def pair_of(file: SourceFile, place: Place, layout: Layout, medium: Medium, settings: DataSettings) -> tuple[str, str]:
    """Return split and pair name of a file in two folders. The name decides, so partners share a split."""
    name = layout.pair_name(file.path, medium.suffixes)
    return place.split or split_by_hash(name, settings), name


def first_pairs(source: Source, layout: Layout, medium: Medium, settings: DataSettings) -> frozenset[tuple[str, str]]:
    """Return splits and names of the first `data.limit` pairs of each split, ordered by name.

    All names are kept in memory, because the last file may complete a pair.

    Raises:
        InputError: No file has a partner.
    """
    sides: dict[tuple[str, str], int] = {}  # 1: only A exists, 2: only B, 3: both
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
        a, b = (f"{label!r} contains {name}" for label, name in zip(layout.labels, firsts, strict=True))
        raise InputError(
            f"data.pairs folders: no file has a partner with its name in the other folder ({a}, {b}, ...): "
            "partners need equal names, apart from the suffix"
        )
    limits = SplitLimits.of(settings, layout)
    by_split = (
        [pair for pair in complete if pair[0] == split][: limits.of_split(split) if limits else None]
        for split in ("train", "test")
    )
    return frozenset(pair for pairs in by_split for pair in pairs)
