"""Ingest a source into the store, in two passes: over names (see `survey`), then read, decode and store."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.captions import Vocabulary, split_words
from pipeline.data.decoding import DecodedFile, DecodedItem, Decoder, DecodingJob, choose_workers, decode_all
from pipeline.data.folder_layout import Place
from pipeline.data.grouping import Groups
from pipeline.data.sources import open_source
from pipeline.data.sources.base import Source, SourceFile, Unreadable
from pipeline.data.sources.folder_bundles import FolderBundles
from pipeline.data.sources.labelled import LabelledSource
from pipeline.data.sources.other_files import ItemFiles
from pipeline.data.store import DatasetInfo
from pipeline.data.store_writer import StoreWriter
from pipeline.data.survey import Group, Survey, first_pairs, pair_of, split_by_hash
from pipeline.errors import InputError
from pipeline.media.base import Medium
from pipeline.media.codec import Bounds
from pipeline.media.registry import find_medium
from pipeline.media.settings import DataSettings

Progress = Callable[[int, int], None]
"""Receives the number of files done and the total."""

Report = Callable[[str], None]
"""Receives a line for the user."""

QUOTED_ERRORS = 3


def ingest(
    settings: DataSettings,
    root: Path,
    cache: Path,
    folder: Path,
    *,
    workers: int | None = None,
    progress: Progress = lambda done, total: None,
    report: Report = lambda line: None,
    previous_classes: Sequence[str] = (),
) -> DatasetInfo:
    """Write the source of the settings to a store in `folder`, which is replaced only on success.

    The written bytes depend only on the source, the settings and the previous classes.

    Args:
        settings: Section `data` of params.yaml.
        root: Folder that relative sources start from.
        cache: Folder for downloads.
        folder: Folder of the store.
        workers: Decoding processes; None chooses.
        progress: Receives the number of files done and the total.
        report: Receives warnings and remarks, one line each.
        previous_classes: Classes in the order of their numbers so far, which are kept.

    Raises:
        InputError: The source cannot be opened, or none of its files can be used.
    """
    medium = find_medium(settings.medium)
    labelled = LabelledSource.of(open_source(medium, settings, root, cache), settings)
    report_ignored(labelled.metadata.ignored, report)
    files = ItemFiles(labelled, medium.suffixes)
    names: Source = files
    source: Source = files
    if medium.bundles(settings):
        names = FolderBundles(files, settings.limits.bytes, names_only=True)
        source = FolderBundles(files, settings.limits.bytes)
    survey = Survey.of(names, medium, settings, previous_classes)
    if skipped := files.describe_skipped():
        report(f"skipped {skipped}")
    for warning in survey.warnings:
        report(f"warning: {warning}")
    limited = settings.pairs == "folders" and settings.limit is not None
    pairs = first_pairs(source, survey.layout, medium, settings) if limited else None
    workers = workers or choose_workers(survey.estimate())
    while True:
        reader = Reader(medium, settings, survey, source, pairs)
        decoder = Decoder(medium, settings, medium.spec(settings, survey.layout.labels))
        own_sizes = settings.layout().own_sizes
        with StoreWriter(folder, decoder.spec, medium.facts, own_sizes=own_sizes, pairs=settings.pairs) as writer:
            for key, file in decode_all(reader.jobs(), decoder, workers):
                progress(key.number, survey.files)
                for record, item in reader.records(key, file):
                    writer.add(record, item.values if item else None)
            if writer.items == 0:
                raise InputError(explain_empty(medium, settings, survey.files, reader.errors, skipped))
            progress(survey.files, survey.files)
            # Only all files show the range of their values. Files of 8 bits have no bounds and are read once.
            ranged = medium.with_range(settings, list(reader.bounds.values())) if reader.bounds else settings
            if ranged == settings:
                if settings.limit is None:
                    reader.groups.require_held_out()
                if straddling := reader.groups.describe_straddling():
                    report(f"warning: {straddling}")
                if survey.limits is not None:
                    report(survey.limits.describe(settings, labelled=bool(survey.layout.labels)))
                info = writer.finish(source.name)
                report_cut(info.item.vocabulary, writer.captions, report)
                return info
        settings = ranged


def report_cut(vocabulary: Vocabulary | None, captions: Sequence[str], report: Report) -> None:
    """Report how many training captions are longer than what is read of them."""
    longest = vocabulary.length if vocabulary else 0
    cut = sum(len(split_words(caption)) > longest for caption in captions)
    rest = f"have more than {longest} words, and the rest of them is not read"
    if cut:
        report(f"warning: {cut:,} of {len(captions):,} captions {rest}")


def report_ignored(ignored: Sequence[str], report: Report) -> None:
    """Report the first of the files with metadata that are not used, and how many more there are."""
    for line in ignored[:QUOTED_ERRORS]:
        report(f"warning: {line}")
    if len(ignored) > QUOTED_ERRORS:
        report(f"warning: {len(ignored) - QUOTED_ERRORS} more such files are not used")


@dataclass(frozen=True, slots=True)
class FileKey:
    """A file on its way through the decoder.

    Attributes:
        number: Position in the source, from 1.
        path: Name inside the source.
        place: Split and class.
        size: Size in bytes; None if it was not read.
        error: Why it was not read.
        pair: Name that it shares with its partner.
        caption: Text that describes the file.
    """

    number: int
    path: str
    place: Place
    size: int | None
    error: str | None
    pair: str | None = None
    caption: str | None = None


@dataclass
class Reader:
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
                yield DecodingJob(FileKey(number, file.path, Place(), None, file.error), None)
            elif self.settings.pairs == "folders" and place.error is None:
                split, pair = pair_of(file, place, layout, self.medium, self.settings)
                if self.pairs is None or (split, pair) in self.pairs:
                    yield self.read(number, file, replace(place, split=split), pair)
            elif not self.is_full(place.split, place.label):
                yield self.read(number, file, place)

    def read(self, number: int, file: SourceFile, place: Place, pair: str | None = None) -> DecodingJob[FileKey]:
        """Return a file with its bytes, or with the reason why it cannot be read."""
        if error := self.groups.error(file.path):
            place = replace(place, error=place.error or error)
        try:
            data = file.load(self.settings.limits.bytes)
        except Unreadable as error:
            return DecodingJob(FileKey(number, file.path, place, None, str(error), pair, file.caption), None)
        return DecodingJob(FileKey(number, file.path, place, len(data), None, pair, file.caption), data)

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
        # All items of a file, or of a group, belong to one split. A single item is split by its values, as copies may
        # be other files.
        content = None if file is None else file.sha256
        if len(items) == 1 and items[0] is not None:
            content = items[0].sha256
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
            "bytes": key.size,
            "sha256": None if file is None else file.sha256,
            "error": error,
            "pair": key.pair,
            "caption": key.caption,
        }


def explain_empty(medium: Medium, settings: DataSettings, files: int, errors: list[str], skipped: str) -> str:
    """Return the message for a source without usable files; `skipped` describes the files that were not read."""
    wanted = (
        f"{medium.noun}s ({medium.file_types}) in one folder, in one folder per class, "
        "or in train/ and test/ with a folder per class"
    )
    if files == 0 and skipped:
        return f"data.source: {settings.source}: contains only {skipped}; expected {wanted}"
    if files == 0:
        return f"data.source: {settings.source}: is empty; expected {wanted}"
    return (
        f"data.source: {settings.source}: none of its {files} files can be used; expected {wanted}. "
        f"First errors: {'; '.join(errors)}"
    )
