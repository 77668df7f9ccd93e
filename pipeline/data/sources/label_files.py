"""Read the files that describe the items of a source: labels, captions and splits by file name.

Three conventions are known: `metadata.csv` and `metadata.jsonl` of image folders (a column `file_name`), and
`dataset.json` of StyleGAN's tools (`{"labels": [["00000/img.png", 6], ...]}`, or null labels).
"""

import csv
import io
import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.data.folder_layout import Layout, split_folders
from pipeline.data.sources.base import Source, SourceFile, Unreadable
from pipeline.data.sources.names import split_name
from pipeline.errors import InputError

LABELS = ("label", "labels", "class", "category", "class_name", "fine_label", "cls")
CAPTIONS = ("caption", "text", "prompt", "description")
SPLITS = ("split", "subset")
PATHS = ("file_name", "filename", "file", "path", "image", "image_path")


class UnknownFormat(ValueError):
    """The file does not follow the convention of its name; the message says why."""


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of one file besides its name; None for what is not."""

    label: str | None = None
    caption: str | None = None
    split: str | None = None


@dataclass
class Metadata:
    """The descriptions of all files of a source.

    Attributes:
        notes: Notes by path inside the source.
        files: Paths of the metadata files.
        keys: Keys of the samples of WebDataset by path.
        chunked: A dataset.json exists, so that folders are chunks of files and mean nothing.
        ignored: Files that follow no known convention, with the reason.
        layout: What the folders mean; it gives the split of a file without a note.
    """

    notes: dict[str, Note] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    keys: dict[str, str] = field(default_factory=dict)
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
        metadata = cls()
        folders = set()
        parts: dict[str, Note] = {}
        for file in source.stream():
            folder, _, name = file.path.rpartition("/")
            folders.add(file.folders)
            parse = PARSERS.get(name.casefold())
            if samples and file.error is None and parse is None:
                metadata.read_sample_file(file, limit, parts)
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
        for path, key in metadata.keys.items():
            metadata.notes.setdefault(path, parts.get(key, Note()))
        metadata.layout = Layout.of(folders)
        metadata.notes = with_known_splits(with_padded_numbers(metadata.notes))
        return metadata

    def read_sample_file(self, file: SourceFile, limit: int, parts: dict[str, Note]) -> None:
        """Add what a file tells of its sample to `parts`, or record that the file belongs to a sample.

        Raises:
            Unreadable: The file cannot be read.
        """
        folder, _, name = normal_path(file.path).rpartition("/")
        key, _, suffix = name.partition(".")
        key = f"{folder}/{key}"
        if suffix.casefold() not in SAMPLE_PARSERS:
            self.keys[normal_path(file.path)] = key
            return
        try:
            new = SAMPLE_PARSERS[suffix.casefold()](file.load(limit))
        except (Unreadable, ValueError) as error:
            self.ignored.append(f"{file.path} is not used: {error}")
            return
        old = parts.get(key, Note())
        parts[key] = Note(new.label or old.label, new.caption or old.caption)
        self.files.add(file.path)

    @property
    def labelled(self) -> bool:
        """Whether at least one file has a label."""
        return any(note.label is not None for note in self.notes.values())


def normal_path(path: str) -> str:
    """Return a path without `.` parts, with forward slashes and composed characters."""
    return unicodedata.normalize("NFC", "/".join(split_name(path)))


def with_padded_numbers(notes: Mapping[str, Note]) -> dict[str, Note]:
    """Pad numeric labels with zeros if all labels are numbers, so that names sort like numbers."""
    labels = {note.label for note in notes.values() if note.label is not None}
    if not labels or not all(label.isdecimal() for label in labels):
        return dict(notes)
    width = max(map(len, labels))
    return {
        path: Note(note.label and note.label.zfill(width), note.caption, note.split) for path, note in notes.items()
    }


def with_known_splits(notes: Mapping[str, Note]) -> dict[str, Note]:
    """Map the names of splits to "train" and "test". Without a train and a held-out split there are none."""
    splits = split_folders({note.split for note in notes.values() if note.split is not None})
    return {
        path: Note(note.label, note.caption, splits.get(note.split) if note.split else None)
        for path, note in notes.items()
    }


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

PARSERS: dict[str, Callable[[bytes], Iterator[tuple[str, Note]]]] = {
    "metadata.csv": parse_csv,
    "metadata.jsonl": parse_jsonl,
    "dataset.json": parse_dataset_json,
}
