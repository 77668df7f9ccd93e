"""Parquet files with a column of images, as the Hugging Face hub exports them."""

import functools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.sources.base import SourceFile, Unreadable, too_large
from pipeline.data.sources.folder import load
from pipeline.data.sources.label_files import CAPTIONS, LABELS, PATHS, as_label
from pipeline.data.sources.names import explain_unsafe, make_printable, split_name
from pipeline.data.sources.notes import Note, number_width, pad_label, share
from pipeline.data.sources.shards import splits_of
from pipeline.errors import InputError

IMAGES = ("image", "img", "images", "bytes", "jpg", "png", "data")
BATCH_ROWS = 64


class Parquet:
    """The rows of Parquet files with images as bytes, as the Hugging Face hub exports them, or as paths.

    Args:
        root: Folder that names start from.
        paths: The files, in order. A name such as train-00000-of-00004.parquet, or a folder, says the split.
    """

    def __init__(self, root: Path, paths: Sequence[Path]) -> None:
        self.root, self.paths = root, paths
        self.name = make_printable((paths[0] if len(paths) == 1 else root).name)

    def stream(self) -> Iterator[SourceFile]:
        """Yield the rows. Raises InputError for a file that is damaged or has no images."""
        notes, splits = self.notes, splits_of(self.paths, self.root)
        for path in self.paths:
            shard = path.relative_to(self.root).as_posix()
            rows = ParquetRows(path)
            for number in range(rows.count):
                name = f"{shard}/{number:07d}"
                note = notes[path][number]
                meaning = tuple(part for part in (splits.get(path), note.label) if part is not None)
                yield SourceFile(
                    make_printable(name), functools.partial(rows.load, number), None, meaning, note.caption
                )

    @functools.cached_property
    def notes(self) -> dict[Path, list[Note]]:
        """Label and caption of each row by file; equal notes are one object."""
        shared: dict[Note, Note] = {}
        notes = {path: [share(note, shared) for note in ParquetRows(path).read_notes()] for path in self.paths}
        width = number_width(note.label for rows in notes.values() for note in rows)
        padded: dict[Note, Note] = {}
        return {path: [share(pad_label(note, width), padded) for note in rows] for path, rows in notes.items()}


class ParquetRows:
    """One Parquet file; images are read in batches, in ascending order. Raises InputError if it has no images."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.file = pq.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"data.source: {path}: not a Parquet file, or damaged ({error})") from None
        self.count: int = self.file.metadata.num_rows
        schema = self.file.schema_arrow
        self.features = huggingface_features(schema)
        self.column = image_column(schema, self.features)
        if self.column is None:
            raise InputError(
                f"data.source: {path}: has no column of images (bytes, or paths in a column file_name); "
                f"its columns are {', '.join(schema.names)}"
            )
        self.first, self.cells = 0, list[Any]()
        self.batches: Iterator[pa.RecordBatch] = iter(())

    def read_notes(self) -> list[Note]:
        """Return label and caption of each row."""
        names = self.file.schema_arrow.names
        label, caption = (next((name for name in known if name in names), None) for known in (LABELS, CAPTIONS))
        classes = self.features.get(label or "", {}).get("names")
        wanted = [name for name in (label, caption) if name is not None]
        if not wanted:
            return [Note()] * self.count
        columns = self.file.read(columns=wanted).to_pydict()
        labels, captions = (columns.get(name or "", [None] * self.count) for name in (label, caption))
        return [
            Note(name_class(value, classes), None if text is None else str(text))
            for value, text in zip(labels, captions, strict=True)
        ]

    def load(self, number: int, limit: int) -> bytes:
        """Return the bytes of the image in a row. Raise Unreadable."""
        try:
            cell = self.cell(number)
        except (OSError, pa.ArrowException) as error:
            raise Unreadable(f"damaged in the file: {error}") from None
        data, name = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)
        if isinstance(data, str):
            data, name = None, data
        if data is None and name:
            if explain_unsafe(name):
                raise Unreadable(f"{name} is not below the folder of the Parquet file")
            return load(str(self.path.parent.joinpath(*split_name(name))), limit)
        if not isinstance(data, bytes):
            raise Unreadable("the row has no image")
        if len(data) > limit:
            raise too_large(limit)
        return data

    def cell(self, number: int) -> Any:
        """Return the value of the image column in a row."""
        if number < self.first:
            self.first, self.cells = 0, []
        if not self.cells and self.first == 0:
            self.batches = self.file.iter_batches(BATCH_ROWS, columns=[self.column])
        while number >= self.first + len(self.cells):
            self.first += len(self.cells)
            self.cells = next(self.batches).column(0).to_pylist()
        return self.cells[number - self.first]


def huggingface_features(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """Return the features that the library `datasets` stores in a schema, by column; empty if there are none."""
    try:
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        return {name: value for name, value in features.items() if isinstance(value, dict)}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def image_column(schema: pa.Schema, features: dict[str, dict[str, Any]]) -> str | None:
    """Return the name of the column of images; None if there is none."""
    declared = [name for name, feature in features.items() if feature.get("_type") == "Image" and name in schema.names]
    structs = [field.name for field in schema if pa.types.is_struct(field.type) and "bytes" in struct_names(field)]
    binary = [field.name for field in schema if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)]
    named = [name for name in binary if name.casefold() in IMAGES]
    paths = [name for name in (*PATHS, *IMAGES) if name in schema.names and is_text(schema.field(name))]
    candidates: list[str] = [*declared, *structs, *named, *(binary if len(binary) == 1 else []), *paths]
    return candidates[0] if candidates else None


def struct_names(field: pa.Field) -> list[str]:
    """Return the names of the fields of a struct."""
    return [field.type.field(number).name for number in range(field.type.num_fields)]


def is_text(field: pa.Field) -> bool:
    """Return whether a column holds strings."""
    return bool(pa.types.is_string(field.type) or pa.types.is_large_string(field.type))


def name_class(value: object, classes: Sequence[str] | None) -> str | None:
    """Return the class name of a value of the label column."""
    if classes is not None and isinstance(value, int):
        return classes[value] if 0 <= value < len(classes) else None
    return as_label(value)
