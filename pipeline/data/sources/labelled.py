"""A source whose labels, captions and splits come from metadata files, or whose folders mean nothing."""

from collections.abc import Iterator
from dataclasses import replace

from pipeline.data.sources.archive import Tar
from pipeline.data.sources.base import Source, SourceFile
from pipeline.data.sources.builtin import Builtin
from pipeline.data.sources.label_files import Metadata
from pipeline.data.sources.notes import Note
from pipeline.data.sources.numpy_arrays import Arrays
from pipeline.data.sources.objects import TarObjects
from pipeline.data.sources.parquet import Parquet
from pipeline.data.sources.shards import TarShards
from pipeline.data.sources.table import Table
from pipeline.media.settings import DataSettings


class LabelledSource:
    """The files of a source with what its metadata says of them.

    Args:
        source: The source.
        metadata: Its metadata.
        folders: Whether folders mean splits and classes.
        labels: Whether labels of the metadata replace the classes of folders, and chunks are no classes.
    """

    def __init__(self, source: Source, metadata: Metadata, *, folders: bool = True, labels: bool = True) -> None:
        self.source, self.metadata, self.folders = source, metadata, folders
        self.name = source.name
        self.labelled = labels and metadata.labelled
        self.chunked = labels and metadata.chunked

    @classmethod
    def of(cls, source: Source, settings: DataSettings) -> "LabelledSource":
        """Read the metadata of a source.

        Built-in sources, tables and arrays have none: they know labels themselves. Pairs in folders need their folders.

        Raises:
            InputError: A metadata file cannot be read.
        """
        if isinstance(source, Builtin):
            return cls(source, Metadata(), folders=settings.folders == "classes")
        if isinstance(source, Arrays | Parquet | Table):
            return cls(source, Metadata())
        metadata = Metadata.of(source, settings.limits.bytes, samples=isinstance(source, Tar | TarShards | TarObjects))
        return cls(source, metadata, folders=settings.folders == "classes", labels=settings.pairs != "folders")

    def stream(self) -> Iterator[SourceFile]:
        """Yield the files without the metadata; in a source with labels, a file without one has an error."""
        for file in self.source.stream():
            if self.metadata.describes(file.path):
                continue
            note = self.metadata.note(file.path)
            error = file.error
            if self.labelled and note.label is None and error is None:
                error = "has no label in the metadata of the source"
            yield replace(file, error=error, caption=note.caption or file.caption, meaning=self.meaning(file, note))

    def meaning(self, file: SourceFile, note: Note) -> tuple[str, ...] | None:
        """Return the folders that stand for split and class; None if those of the file's path do."""
        if self.folders and not self.labelled and not self.chunked and note.split is None:
            return file.meaning
        split = note.split or (self.metadata.layout.place(file.folders).split if self.folders else None)
        return tuple(part for part in (split, note.label) if part is not None)
