"""Read the files that describe the items of a source: labels, captions and splits by file name.

These conventions are known: `metadata.csv` and `metadata.jsonl` of image folders (a column `file_name`), `captions.csv`
and `captions.jsonl` with the same columns, and `dataset.json` of StyleGAN's tools (`{"labels": [["00000/img.png", 6],
...]}`, or null labels).
"""

import csv
import io
import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.data.folder_layout import Layout
from pipeline.data.sources.base import Source, SourceFile, Unreadable
from pipeline.data.sources.names import split_name
from pipeline.data.sources.notes import Note, number_width, pad_labels, share, with_known_splits
from pipeline.errors import InputError

LABELS = ("label", "labels", "class", "category", "class_name", "fine_label", "cls")
CAPTIONS = ("caption", "text", "prompt", "description")
SPLITS = ("split", "subset")
PATHS = ("file_name", "filename", "file", "path", "image", "image_path")


class UnknownFormat(ValueError):
    """The file does not follow the convention of its name; the message says why."""


@dataclass
class Metadata:
    """The descriptions of all files of a source.

    Attributes:
        notes: Notes by path inside the source.
        below: Notes of names without a folder in captions files: they describe the files of that name in all folders.
        files: Paths of the metadata files.
        samples: Notes of the samples of WebDataset by their keys; equal notes are one object.
        unused: Paths of the files of samples that are not used, and therefore no metadata.
        chunked: A dataset.json exists, so that folders are chunks of files and mean nothing.
        ignored: Files that follow no known convention, with the reason.
        layout: What the folders mean; it gives the split of a file without a note.
    """

    notes: dict[str, Note] = field(default_factory=dict)
    below: dict[str, Note] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    samples: dict[str, Note] = field(default_factory=dict)
    unused: set[str] = field(default_factory=set)
    has_samples: bool = False
    chunked: bool = False
    ignored: list[str] = field(default_factory=list)
    layout: Layout = field(default_factory=lambda: Layout.of([]))

    @classmethod
    def of(cls, source: Source, limit: int, *, samples: bool = False) -> "Metadata":
        """Read all metadata files of a source.

        Args:
            source: The source.
            limit: Largest file, in bytes.
            samples: Whether files of one name are one sample, as in WebDataset: key.jpg, key.cls, key.txt, key.json.

        Raises:
            InputError: A metadata file cannot be read.
        """
        metadata = cls(has_samples=samples)
        folders = set()
        notes_of_samples: dict[Note, Note] = {}
        for file in source.stream():
            folder, _, name = file.path.rpartition("/")
            folders.add(file.folders)
            parse = PARSERS.get(name.casefold())
            if samples and file.error is None and parse is None:
                metadata.read_sample_file(file, limit, notes_of_samples)
            if parse is None or file.error is not None:
                continue
            try:
                notes = dict(parse(file.load(limit)))
            except Unreadable as error:
                raise InputError(f"data.source: {file.path}: {error}") from None
            except ValueError as error:
                metadata.ignored.append(f"{file.path} is not used: {error}")
                continue
            metadata.files.add(file.path)
            metadata.chunked |= name.casefold() == "dataset.json"
            metadata.notes |= {normal_path(f"{folder}/{below}"): note for below, note in notes.items()}
            if name.casefold() in CAPTION_FILES:
                bare = {below: note for below, note in notes.items() if "/" not in below}
                metadata.below |= {normal_path(f"{folder}/{below}"): note for below, note in bare.items()}
        metadata.layout = Layout.of(folders)
        notes, width = with_known_splits(metadata.notes), metadata.label_width()
        metadata.notes = pad_labels(notes, width)
        metadata.below = pad_labels(with_known_splits(metadata.below), width)
        metadata.samples = pad_labels(metadata.samples, width)
        return metadata

    def label_width(self) -> int | None:
        """Return the number of digits of the longest label if all labels are numbers, else None."""
        return number_width({note.label for notes in (self.notes, self.samples) for note in notes.values()})

    def read_sample_file(self, file: SourceFile, limit: int, notes: dict[Note, Note]) -> None:
        """Add what a file tells of its sample. `notes` has one object for all equal notes.

        Raises:
            Unreadable: The file cannot be read.
        """
        key, suffix = sample_of(file.path)
        if suffix not in SAMPLE_PARSERS:
            return
        try:
            new = SAMPLE_PARSERS[suffix](file.load(limit))
        except (Unreadable, ValueError) as error:
            self.ignored.append(f"{file.path} is not used: {error}")
            self.unused.add(file.path)
            return
        old = self.samples.get(key, Note())
        note = Note(new.label or old.label, new.caption or old.caption)
        self.samples[key] = share(note, notes)

    def describes(self, path: str) -> bool:
        """Return whether a file is metadata, and no item."""
        if path in self.files:
            return True
        return self.has_samples and sample_of(path)[1] in SAMPLE_PARSERS and path not in self.unused

    def note(self, path: str) -> Note:
        """Return what is known of a file."""
        parts = normal_path(path).split("/")
        note = self.notes.get("/".join(parts))
        for depth in range(len(parts) - 2, -1, -1) if note is None and self.below else ():
            note = note or self.below.get("/".join([*parts[:depth], parts[-1]]))
        if note is None and self.samples:
            note = self.samples.get(sample_of(path)[0])
        return note or Note()

    @property
    def labelled(self) -> bool:
        """Whether at least one file has a label."""
        return any(note.label is not None for notes in (self.notes, self.samples) for note in notes.values())


def normal_path(path: str) -> str:
    """Return a path without `.` parts, with forward slashes and composed characters."""
    return unicodedata.normalize("NFC", "/".join(split_name(path)))


def sample_of(path: str) -> tuple[str, str]:
    """Return the key of the sample of WebDataset that a file belongs to, and the file's suffix without the dot."""
    folder, _, name = normal_path(path).rpartition("/")
    key, _, suffix = name.partition(".")
    return f"{folder}/{key}", suffix.casefold()


def parse_csv(data: bytes, delimiter: str = ",") -> Iterator[tuple[str, Note]]:
    """Yield names and notes of a table with a header. Raise UnknownFormat."""
    text = io.StringIO(decode_text(data), newline="")
    try:
        table = csv.DictReader(text, delimiter=delimiter, strict=True)
        require_paths(table.fieldnames or ())
        yield from read_rows(table)
    except csv.Error as error:
        raise UnknownFormat(f"not valid CSV: {error}") from None


def parse_jsonl(data: bytes) -> Iterator[tuple[str, Note]]:
    """Yield names and notes of one object per line. Raise UnknownFormat."""
    lines = [line for line in decode_text(data).splitlines() if line.strip()]
    yield from read_rows(parse_json(line) for line in lines)


def parse_dataset_json(data: bytes) -> Iterator[tuple[str, Note]]:
    """Yield names and notes of StyleGAN's dataset.json. Raise UnknownFormat."""
    content = parse_json(decode_text(data))
    if not isinstance(content, dict) or "labels" not in content:
        raise UnknownFormat("it has no key `labels`")
    labels = content["labels"] or []
    for entry in labels.items() if isinstance(labels, dict) else labels:
        if not isinstance(entry, list | tuple) or len(entry) != 2 or not isinstance(entry[0], str):
            raise UnknownFormat("`labels` is not a list of [file, label]")
        yield entry[0], Note(as_label(entry[1]))


def read_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Note]]:
    """Yield names and notes of rows with named values. Raise UnknownFormat without a column of names."""
    for row in rows:
        if not isinstance(row, Mapping):
            raise UnknownFormat("a line is not an object")
        keys = {str(key).strip().casefold(): key for key in row if key is not None}
        name = find_value(row, keys, PATHS)
        if not isinstance(name, str) or not name:
            require_paths(tuple(keys))
            raise UnknownFormat("a row has no file_name")
        caption, split = (find_value(row, keys, names) for names in (CAPTIONS, SPLITS))
        yield (
            name,
            Note(
                as_label(find_value(row, keys, LABELS)),
                None if caption in (None, "") else str(caption),
                None if split in (None, "") else str(split),
            ),
        )


def require_paths(columns: Iterable[str]) -> None:
    """Raise UnknownFormat unless there is a column of file names."""
    if not {name.strip().casefold() for name in columns} & set(PATHS):
        raise UnknownFormat(f"it has no column file_name; its columns are {', '.join(columns)}")


def find_value(row: Mapping[str, Any], keys: Mapping[str, str], names: Iterable[str]) -> Any:
    """Return the value of the first of these columns that a row has; None if it has none."""
    return next((row[keys[name]] for name in names if name in keys), None)


def as_label(value: object) -> str | None:
    """Return a class name; None for an empty value or one that is no class, such as a vector."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else None
    return unicodedata.normalize("NFC", str(value).strip()) or None


def parse_json(text: str) -> Any:
    """Parse JSON. Raise UnknownFormat."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnknownFormat(f"not valid JSON: {error}") from None


def decode_text(data: bytes) -> str:
    """Decode UTF-8, with or without a byte order mark. Raise UnknownFormat."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnknownFormat("not UTF-8 text") from None


def parse_class(data: bytes) -> Note:
    """Read the class in a file key.cls."""
    return Note(as_label(decode_text(data)))


def parse_caption(data: bytes) -> Note:
    """Read the caption in a file key.txt."""
    return Note(None, decode_text(data).strip() or None)


def parse_sample(data: bytes) -> Note:
    """Read label and caption in a file key.json. Raise UnknownFormat."""
    content = parse_json(decode_text(data))
    if not isinstance(content, dict):
        return Note(as_label(content))
    ((_, note),) = read_rows([{**content, PATHS[0]: "-"}])
    return note


SAMPLE_PARSERS: dict[str, Callable[[bytes], Note]] = {"cls": parse_class, "txt": parse_caption, "json": parse_sample}

CAPTION_FILES = ("captions.csv", "captions.jsonl")

PARSERS: dict[str, Callable[[bytes], Iterator[tuple[str, Note]]]] = {
    "metadata.csv": parse_csv,
    "metadata.jsonl": parse_jsonl,
    "captions.csv": parse_csv,
    "captions.jsonl": parse_jsonl,
    "dataset.json": parse_dataset_json,
}
