"""A CSV, TSV or JSONL file that lists paths, labels, captions and splits."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.data.sources.base import SourceFile, refuse
from pipeline.data.sources.folder import load
from pipeline.data.sources.label_files import (
    UnknownFormat,
    parse_csv,
    parse_jsonl,
)
from pipeline.data.sources.names import explain_unsafe, make_printable, split_name
from pipeline.data.sources.notes import Note, with_known_splits, with_padded_numbers
from pipeline.errors import InputError

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl")


class Table:
    """The files that a CSV, TSV or JSONL file lists, in its order; paths start from the folder of the table."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = make_printable(path.name)

    @functools.cached_property
    def notes(self) -> dict[str, Note]:
        """The rows by path. Raises InputError."""
        parse: dict[str, Callable[[bytes], Iterator[tuple[str, Note]]]] = {
            ".csv": parse_csv,
            ".tsv": functools.partial(parse_csv, delimiter="\t"),
            ".jsonl": parse_jsonl,
        }
        try:
            notes = dict(parse[self.path.suffix.casefold()](self.path.read_bytes()))
        except UnknownFormat as error:
            raise InputError(
                f"data.source: {self.path}: {error}. Expected columns file_name, and label, caption or split"
            ) from None
        except OSError as error:
            raise InputError(f"data.source: {self.path}: cannot be read: {error.strerror}") from None
        return with_known_splits(with_padded_numbers(notes))

    def stream(self) -> Iterator[SourceFile]:
        """Yield the listed files."""
        labelled = any(note.label is not None for note in self.notes.values())
        for name, note in self.notes.items():
            path = make_printable("/".join(split_name(name)))
            if explain_unsafe(name):
                yield refuse(
                    make_printable(name), "is not below the folder of the table; put the table above its files"
                )
            elif labelled and note.label is None:
                yield refuse(path, "has no label in the table")
            else:
                meaning = tuple(part for part in (note.split, note.label) if part is not None)
                full = self.path.parent.joinpath(*split_name(name))
                yield SourceFile(path, functools.partial(load, str(full)), None, meaning, note.caption)
