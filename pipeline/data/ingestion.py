"""Ingest a source into the store, in two passes: over names (see `survey`), then read, decode and store."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from pipeline.code_digest import defining_modules
from pipeline.data.decoding import Decoder, decode_all
from pipeline.data.file_reader import QUOTED_ERRORS, FileReader
from pipeline.data.sources import open_source
from pipeline.data.sources.base import Source
from pipeline.data.sources.folder_bundles import FolderBundles
from pipeline.data.sources.labelled import LabelledSource
from pipeline.data.sources.other_files import ItemFiles
from pipeline.data.store import DatasetInfo
from pipeline.data.store_writer import StoreWriter
from pipeline.data.survey import Survey, first_pairs
from pipeline.data.workers import Workers, choose_workers, local_workers
from pipeline.errors import InputError
from pipeline.media.base import Medium
from pipeline.media.registry import find_medium
from pipeline.media.settings import DataSettings

Progress = Callable[[int, int], None]
"""Receives the number of files done and the total."""

Report = Callable[[str], None]
"""Receives a line for the user."""


def ingest(
    settings: DataSettings,
    root: Path,
    cache: Path,
    folder: Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
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
        workers: Decoding processes on this machine; None chooses.
        scheduler: Address of a Dask scheduler whose workers decode instead.
        progress: Receives the number of files done and the total.
        report: Receives warnings and remarks, one line each.
        previous_classes: Classes in the order of their numbers so far, which are kept.

    Raises:
        InputError: The source cannot be opened, none of its files can be used, or the workers are lost.
    """
    medium = find_medium(settings.medium)
    with ExitStack() as stack:
        cluster = stack.enter_context(connect_cluster(scheduler, medium)) if scheduler else None
        labelled = LabelledSource.of(open_source(medium, settings, root, cache, cluster), settings)
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
        pool = cluster or stack.enter_context(local_workers(workers or choose_workers(survey.estimate())))
        while True:
            reader = FileReader(medium, settings, survey, source, pairs)
            info = store_items(reader, pool, folder, skipped, progress, report)
            if info is not None:
                return info
            # Only all files show the range of their values. Files of 8 bits have no bounds and are read once.
            settings = medium.with_range(settings, list(reader.bounds.values()))


def connect_cluster(scheduler: str, medium: Medium) -> Workers:
    """Return the workers of a Dask scheduler."""
    from pipeline.data.cluster import Cluster

    return Cluster(scheduler, ("pipeline.data.decoding", *defining_modules(medium)))


def store_items(
    reader: FileReader, workers: Workers, folder: Path, skipped: str, progress: Progress, report: Report
) -> DatasetInfo | None:
    """Decode and store the files of a source. Return None if the range of their values was not known before.

    Raises:
        InputError: None of the files can be used, or the workers are lost.
    """
    medium, settings, survey = reader.medium, reader.settings, reader.survey
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
        if reader.bounds and medium.with_range(settings, list(reader.bounds.values())) != settings:
            return None
        if settings.limit is None:
            reader.groups.require_held_out()
        if straddling := reader.groups.describe_straddling():
            report(f"warning: {straddling}")
        if survey.limits is not None:
            report(survey.limits.describe(settings, labelled=bool(survey.layout.labels)))
        info = writer.finish(reader.source.name)
        report_captions(info, writer.captions, report)
        return info


def report_captions(info: DatasetInfo, captions: Sequence[str], report: Report) -> None:
    """Report how many training captions are missing, and how many are longer than what is read of them."""
    vocabulary, training = info.item.vocabulary, info.splits.get("train", 0)
    if vocabulary is None:
        return
    if len(captions) < training:
        some = f"{training - len(captions):,} of {training:,} training items have no caption"
        report(f"warning: {some}; a model that draws from texts does not learn from them")
    cut = sum(vocabulary.count(caption) > vocabulary.length for caption in captions)
    rest = f"have more than {vocabulary.length} words, and the rest of them is not read"
    if cut:
        report(f"warning: {cut:,} of {len(captions):,} captions {rest}")


def report_ignored(ignored: Sequence[str], report: Report) -> None:
    """Report the first of the files with metadata that are not used, and how many more there are."""
    for line in ignored[:QUOTED_ERRORS]:
        report(f"warning: {line}")
    if len(ignored) > QUOTED_ERRORS:
        report(f"warning: {len(ignored) - QUOTED_ERRORS} more such files are not used")


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
