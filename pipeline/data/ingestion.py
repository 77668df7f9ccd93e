"""From a source to the store: a first pass over names for the layout, a second that streams, decodes and packs."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.data.decoding import Facts, Job, decode_all, worker_count
from pipeline.data.folder_layout import LISTED, Folders, Layout, Place
from pipeline.data.sources import open_source
from pipeline.data.sources.base import Item, Source, Unreadable
from pipeline.data.store import DatasetInfo
from pipeline.data.store_writer import StoreWriter
from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.media.image.image import SUFFIXES, Target
from pipeline.media.image.settings import ImageSettings

Progress = Callable[[int, int], None]
"""(files done, files in all) -> None."""

Group = tuple[str | None, str | None]
"""(split, class), None where the source has none."""


def ingest(
    settings: ImageSettings,
    root: Path,
    cache: Path,
    folder: Path,
    *,
    workers: int | None = None,
    progress: Progress = lambda done, total: None,
) -> DatasetInfo:
    """Writes `settings.source` as a store into `folder`, replacing what is there only when all went well.

    Relative sources lie below `root`, downloads go below `cache`. The bytes written depend on the source and the settings alone. Raises InputError when
    the source cannot be opened or holds no good image.
    """
    source = open_source(settings.source, root, cache)
    survey = Survey.of(source, settings)
    together = "none" if settings.pairs == "folders" else settings.pairs
    target = Target(
        settings.resolution,
        settings.channels,
        settings.background,
        settings.fit,
        settings.resize,
        settings.limits.pixels,
        together,
    )
    run = Pass(settings, survey, source, {name: number for number, name in enumerate(survey.layout.labels)})
    if settings.pairs == "folders" and settings.limit is not None:
        run.pairs = first_pairs(source, survey.layout, settings)
    item = ItemSpec(
        height=settings.resolution,
        width=settings.resolution,
        channels=len(target.mode),
        classes=survey.layout.labels,
    )
    with StoreWriter(folder, item, own_sizes=settings.fit == "keep", pairs=settings.pairs) as writer:
        for key, (facts, pixels) in decode_all(
            run.jobs(), target, workers or worker_count(survey.wanted(settings.limit))
        ):
            progress(key.number, survey.files)
            record = run.record(key, facts)
            if record is not None:
                writer.add(record, pixels if record["error"] is None else None)
        if writer.images == 0:
            raise InputError(nothing_good(settings, survey.files, run.errors))
        progress(survey.files, survey.files)
        return writer.finish(source.name)


@dataclass(frozen=True)
class Survey:
    """What the names tell: how many files there are, how many of them are `asked` for (data.classes), and what the folders mean."""

    files: int
    asked: int
    layout: Layout
    groups: frozenset[Group]

    @classmethod
    def of(cls, source: Source, settings: ImageSettings) -> "Survey":
        """Walks the source once, over names alone. The layout follows from files with an image's suffix, or from all where none has one."""
        files = 0
        pictures: Counter[Folders] = Counter()
        others: Counter[Folders] = Counter()
        for item in source.stream():
            files += 1
            if item.error is None:
                (pictures if named_as_image(item) else others)[folders(item)] += 1
        layout = laid_out(Layout.of(pictures or others), settings)
        places = [layout.place(each) for each in pictures or others]
        left = sum(count for each, count in (pictures + others).items() if not layout.place(each).wanted)
        return cls(
            files,
            files - left,
            layout,
            frozenset((place.split, place.label) for place in places if place.error is None and place.wanted),
        )

    def wanted(self, limit: int | None) -> int:
        """About how many files will be decoded."""
        return (
            self.asked
            if limit is None
            else min(self.asked, sum(limit * (1 if split else 2) for split, _ in self.groups))
        )


@dataclass(frozen=True, slots=True)
class Key:
    """A file on its way through the decoder. `size` is in bytes, None where it was not read; `pair` is the name it shares with its partner."""

    number: int
    path: str
    place: Place
    size: int | None
    error: str | None
    pair: str | None = None


@dataclass
class Pass:
    """The pass over the bytes: what is read, where it belongs, and when there is enough of it (`data.limit`: the first in the source's order).

    `pairs` of folders, each a split and a name, are the only ones read; None reads all.
    """

    settings: ImageSettings
    survey: Survey
    source: Source
    labels: dict[str, int]
    pairs: frozenset[tuple[str, str]] | None = None
    taken: Counter[Group] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)  # the first three, to be quoted

    def jobs(self) -> Iterator[Job[Key]]:
        """The files that are wanted, in the source's order."""
        for number, item in enumerate(self.source.stream(), start=1):
            if self.complete():
                return
            place = self.survey.layout.place(folders(item))
            if not place.wanted:
                continue
            if item.error is not None:
                yield Job(Key(number, item.path, Place(), None, item.error), None)
            elif self.settings.pairs == "folders" and place.error is None:
                split, pair = named_pair(item, place, self.survey.layout, self.settings)
                if self.pairs is None or (split, pair) in self.pairs:
                    yield self.read(number, item, replace(place, split=split), pair)
            elif not self.full(place.split, place.label):
                yield self.read(number, item, place)

    def read(self, number: int, item: Item, place: Place, pair: str | None = None) -> Job[Key]:
        """One file with its bytes, or with the reason why there are none."""
        try:
            data = item.load(self.settings.limits.bytes)
        except Unreadable as error:
            return Job(Key(number, item.path, place, None, str(error), pair), None)
        return Job(Key(number, item.path, place, len(data), None, pair), data)

    def full(self, split: str | None, label: str | None) -> bool:
        """True when a group has all the images wanted.

        Files are left unread by it and results are dropped by it, so what is recorded is the same whatever is in flight.
        """
        if self.settings.limit is None or self.settings.pairs == "folders":
            return False
        splits = [split] if split else ["train", "test"] if self.settings.test_fraction else ["train"]
        return all(self.taken[each, label] >= self.settings.limit for each in splits)

    def complete(self) -> bool:
        """True when every group is full: the rest of the source is not read."""
        return (
            self.settings.limit is not None
            and self.settings.pairs != "folders"
            and all(self.full(split, label) for split, label in self.survey.groups)
        )

    def record(self, key: Key, facts: Facts | None) -> dict[str, Any] | None:
        """The manifest's columns for one file, or None when it is one too many."""
        place = key.place
        error = key.error or (facts.error if facts else None) or place.error
        split = place.split or (drawn(facts.pixels_sha256 or facts.sha256, self.settings) if facts else None)
        if self.complete() or self.full(split, place.label):
            return None
        if error is None:
            self.taken[split, place.label] += 1
        elif len(self.errors) < 3:
            self.errors.append(f"{key.path}: {error}")
        label = -1 if place.label is None else self.labels[place.label]
        known = asdict(facts) if facts else {}
        return known | {
            "path": key.path,
            "class": place.label,
            "label": label,
            "split": split,
            "bytes": key.size,
            "error": error,
            "pair": key.pair,
        }


def drawn(content: str, settings: ImageSettings) -> str:
    """The split of a file where the source has none: decided by its content, so that copies never straddle it and no file changes sides as data grows."""
    draw = hashlib.sha256(f"{settings.seed}:{content}".encode()).digest()
    return "test" if int.from_bytes(draw[:8], "big") / 2**64 < settings.test_fraction else "train"


def laid_out(layout: Layout, settings: ImageSettings) -> Layout:
    """The layout as `data.classes` and `data.pairs` want it. Raises InputError for classes that are not there, or folders that are not two."""
    if settings.classes is not None:
        layout = layout.of_classes(settings.classes)
    if settings.pairs in ("halves", "outline"):
        return layout.unlabelled()
    if settings.pairs == "folders" and len(layout.labels) != 2:
        found = f"{len(layout.labels)} ({', '.join(layout.labels[:LISTED])})" if layout.labels else "none"
        raise InputError(
            f"data.pairs folders: looked for two folders of images, A and B (or train/A, train/B, test/A, test/B), and found {found}; "
            "name the two in data.classes, that of A first"
        )
    return layout


def named_pair(item: Item, place: Place, layout: Layout, settings: ImageSettings) -> tuple[str, str]:
    """The split of a file in one of two folders and the name it shares with its partner. The split follows from the name, so that partners never part."""
    name = layout.pair(item.path)
    return place.split or drawn(name, settings), name


def first_pairs(source: Source, layout: Layout, settings: ImageSettings) -> frozenset[tuple[str, str]]:
    """Splits and names of the first `data.limit` pairs of each split, in order of names. Raises InputError where no file has a partner.

    This alone holds every name in memory: which files belong together is known only when all were seen.
    """
    sides: dict[tuple[str, str], int] = {}  # 1: A is there, 2: B, 3: both
    odd = set()
    for item in source.stream():
        place = layout.place(folders(item))
        if item.error is None and place.error is None and place.label in layout.labels:
            pair = named_pair(item, place, layout, settings)
            sides[pair] = sides.get(pair, 0) | 1 << layout.labels.index(place.label)
            if not named_as_image(item):
                odd.add(pair)
    whole = sorted((pair for pair, found in sides.items() if found == 3), key=lambda pair: (pair in odd, pair))
    if not whole:
        firsts = [
            min((name for (_, name), found in sides.items() if found == bit), default="nothing") for bit in (1, 2)
        ]
        a, b = (f"{label!r} holds {name}" for label, name in zip(layout.labels, firsts, strict=True))
        raise InputError(
            f"data.pairs folders: no file has a partner of its name in the other folder ({a}, {b}, ...); name both alike but for the suffix"
        )
    return frozenset(
        pair for split in ("train", "test") for pair in [each for each in whole if each[0] == split][: settings.limit]
    )


def folders(item: Item) -> Folders:
    """The folders an item lies in."""
    return tuple(item.path.split("/")[:-1])


def named_as_image(item: Item) -> bool:
    return os.path.splitext(item.path)[1].casefold() in SUFFIXES


def nothing_good(settings: ImageSettings, files: int, errors: list[str]) -> str:
    """What was looked for, and what was found instead."""
    wanted = "images (PNG, JPEG, GIF, BMP, TIFF, WebP, ...), flat, one folder a class, or train/test above the classes"
    if files == 0:
        return f"data.source: {settings.source}: empty; looked for {wanted}"
    return f"data.source: {settings.source}: none of its {files} files can be used; looked for {wanted}. The first: {'; '.join(errors)}"
