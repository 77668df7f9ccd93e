"""Notes: what is known of a file besides its name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.data.folder_layout import split_folders


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of one file besides its name; None for what is not."""

    label: str | None = None
    caption: str | None = None
    split: str | None = None


def number_width(labels: Iterable[str | None]) -> int | None:
    """Return the number of digits of the longest label if all labels are numbers; None if they are not."""
    names = {label for label in labels if label is not None}
    return max(map(len, names)) if names and all(name.isdecimal() for name in names) else None


def with_padded_numbers(notes: Mapping[str, Note]) -> dict[str, Note]:
    """Pad numeric labels with zeros if all labels are numbers, so that names sort like numbers."""
    return pad_labels(notes, number_width(note.label for note in notes.values()))


def pad_labels(notes: Mapping[str, Note], width: int | None) -> dict[str, Note]:
    """Pad labels with zeros to `width` digits; None leaves them. Equal notes without captions become one object."""
    if width is None:
        return dict(notes)
    shared: dict[Note, Note] = {}
    return {path: share(pad_label(note, width), shared) for path, note in notes.items()}


def pad_label(note: Note, width: int | None) -> Note:
    """Pad the label of a note with zeros to `width` digits; None leaves it."""
    return note if width is None or note.label is None else Note(note.label.zfill(width), note.caption, note.split)


def share(note: Note, notes: dict[Note, Note]) -> Note:
    """Return the one object of `notes` that is equal to a note; a note with a caption is returned as it is."""
    return note if note.caption else notes.setdefault(note, note)


def with_known_splits(notes: Mapping[str, Note]) -> dict[str, Note]:
    """Map the names of splits to "train" and "test". Without a train and a held-out split there are none."""
    splits = split_folders({note.split for note in notes.values() if note.split is not None})
    return {
        path: Note(note.label, note.caption, splits.get(note.split) if note.split else None)
        for path, note in notes.items()
    }
