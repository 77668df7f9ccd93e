"""Read the files of a source: choose them, and return the rows of the manifest that their items make."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.data.decoding import DecodedFile, DecodedItem, DecodingJob
from pipeline.data.folder_layout import Place
from pipeline.data.grouping import Groups
from pipeline.data.remote_objects import StoredBytes
from pipeline.data.sources.base import Source, SourceFile, Unreadable
from pipeline.data.survey import Group, Survey, pair_of, split_by_hash
from pipeline.media.base import Medium
from pipeline.media.codec import Bounds
from pipeline.media.settings import DataSettings

QUOTED_ERRORS = 3


@dataclass(frozen=True, slots=True)
class FileKey:
    """A file on its way through the decoder.

    Attributes:
        number: Position in the source, from 1.
        path: Name inside the source.
        place: Split and class.
        error: Why it was not read.
        pair: Name that it shares with its partner.
        caption: Text that describes the file.
    """

    number: int
    path: str
    place: Place
    error: str | None
    pair: str | None = None
    caption: str | None = None


@dataclass
class FileReader:
    """The second pass: decides which files to read, where their items belong, and when `data.limit` is reached.

    Attributes:
        pairs: Splits and names of the pairs to read from two folders; None reads all.
        counts: Items so far in each split and class; `data.limit` keeps the first ones in the order of the source.
        errors: The first few errors, for messages.
        bounds: Smallest and largest value of the items that state them, of integers (True) and of floats.
    """

    medium: Medium
    settings: DataSettings
    survey: Survey
    source: Source
    pairs: frozenset[tuple[str, str]] | None = None
    counts: Counter[Group] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    bounds: dict[bool, Bounds] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.groups = Groups(self.settings.group, self.settings.held_out)
        self.label_numbers = {name: number for number, name in enumerate(self.survey.layout.labels)}

    def jobs(self) -> Iterator[DecodingJob[FileKey]]:
        """Yield the files to read, in the order of the source."""
        layout = self.survey.layout
        for number, file in enumerate(self.source.stream(), start=1):
            if self.is_complete():
                return
            place = layout.place(file.folders)
            if not place.wanted:
                continue
            place = replace(place, split=self.groups.side(file.path) or place.split)
            if file.error is not None:
                yield DecodingJob(FileKey(number, file.path, Place(), file.error), None)
            elif self.settings.pairs == "folders" and place.error is None:
                split, pair = pair_of(file, place, layout, self.medium, self.settings)
                if self.pairs is None or (split, pair) in self.pairs:
                    yield self.read(number, file, replace(place, split=split), pair)
            elif not self.is_full(place.split, place.label):
                yield self.read(number, file, place)

    def read(self, number: int, file: SourceFile, place: Place, pair: str | None = None) -> DecodingJob[FileKey]:
        """Return a file with its bytes, as what a worker reads, or with the reason why it cannot be read."""
        if error := self.groups.error(file.path):
            place = replace(place, error=place.error or error)
        key = FileKey(number, file.path, place, None, pair, file.caption)
        try:
            if isinstance(file.load, StoredBytes):
                file.load.check_size(self.settings.limits.bytes)
                return DecodingJob(key, file.load)
            return DecodingJob(key, file.load(self.settings.limits.bytes))
        except Unreadable as error:
            return DecodingJob(replace(key, error=str(error)), None)

    def is_full(self, split: str | None, label: str | None) -> bool:
        """Return whether a group has reached `data.limit`.

        The check decides which files are read and which results are kept. The records therefore do not depend on the
        number of files in flight.
        """
        limits = self.survey.limits
        if limits is None or self.settings.pairs == "folders":
            return False
        splits = [split] if split else ["train", "test"] if self.settings.test_fraction else ["train"]
        return all(self.counts[each, label] >= limits.of_split(each) for each in splits)

    def is_complete(self) -> bool:
        """Return whether all groups are full, so that the rest of the source need not be read."""
        return (
            self.settings.limit is not None
            and self.settings.pairs != "folders"
            and all(self.is_full(split, label) for split, label in self.survey.groups)
        )

    def records(self, key: FileKey, file: DecodedFile | None) -> Iterator[tuple[dict[str, Any], DecodedItem | None]]:
        """Yield the row of each item of a file, or of a file that failed, until `data.limit` is reached."""
        error = key.error or (file.error if file else None) or key.place.error
        items: list[DecodedItem | None] = [None]
        if file is not None and file.items:
            items = [*file.items]
        # All items of a file, or of a group, belong to one split. It is chosen by their values: copies may be other
        # files, such as a recording in two formats, or a piece at two tempos.
        digests = [item.sha256 for item in items if item is not None]
        content = None if file is None else file.sha256
        if digests:
            content = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
        content = self.groups.name(key.path) or content
        split = key.place.split or (None if content is None else split_by_hash(content, self.settings))
        self.groups.record(key.path, None if error else split)
        for part, item in enumerate(items if error is None else items[:1]):
            if self.is_complete() or self.is_full(split, key.place.label):
                return
            if error is None:
                self.counts[split, key.place.label] += 1
                if item is not None and item.bounds is not None:
                    self.bounds[item.bounds.whole] = item.bounds.union(self.bounds.get(item.bounds.whole))
            elif len(self.errors) < QUOTED_ERRORS:
                self.errors.append(f"{key.path}: {error}")
            yield self.record(key, file, item, split, error) | {"part": part}, item if error is None else None

    def record(
        self, key: FileKey, file: DecodedFile | None, item: DecodedItem | None, split: str | None, error: str | None
    ) -> dict[str, Any]:
        """Return the row of one item, or of a file that failed."""
        label = key.place.label
        facts = {} if item is None else {**item.facts, "pixels_sha256": item.sha256}
        return facts | {
            "path": key.path,
            "class": label,
            "label": -1 if label is None else self.label_numbers[label],
            "split": split,
            "bytes": None if file is None else file.size,
            "sha256": None if file is None else file.sha256,
            "error": error,
            "pair": key.pair,
            "caption": key.caption,
        }
