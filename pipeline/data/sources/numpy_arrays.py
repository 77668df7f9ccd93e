"""NumPy arrays of images: `.npy`, and `.npz` with `images` and `labels`, for one or several splits."""

import functools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.folder_layout import TEST, TRAIN, VALIDATION, split_folders
from pipeline.data.sources.base import SourceFile, too_large
from pipeline.data.sources.label_files import as_label
from pipeline.data.sources.names import make_printable
from pipeline.data.sources.notes import Note, with_padded_numbers
from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.media.base import Medium

IMAGES = ("images", "image", "imgs", "x", "data", "arr")
LABELS = ("labels", "label", "y", "targets", "target")


class Arrays:
    """The images of arrays [N, H, W], [N, H, W, C] or [N, C, H, W], with C 1 or 3: uint8, or uint16 with C 1.

    Args:
        path: A .npy file, or a .npz file with arrays such as images and labels, or x_train, y_train, x_test, y_test.
        medium: Writes one image as a lossless file.

    Raises:
        InputError: The file has no such arrays.
    """

    def __init__(self, path: Path, medium: Medium) -> None:
        self.path, self.medium = path, medium
        self.name = make_printable(path.name)
        self.parts = {
            split: (to_items(path, images), read_labels(path, labels, len(images)))
            for split, (images, labels) in read_parts(path).items()
        }

    @functools.cached_property
    def notes(self) -> dict[str, Note]:
        """Labels by name of the image."""
        notes = {
            image_name(split, number): Note(None if labels is None else as_label(labels[number].item()))
            for split, (images, labels) in self.parts.items()
            for number in range(len(images))
        }
        return with_padded_numbers(notes)

    def stream(self) -> Iterator[SourceFile]:
        """Yield the images as files, in order."""
        splits = split_folders({split for split in self.parts if split})
        for split, (images, _) in self.parts.items():
            for number in range(len(images)):
                name = image_name(split, number)
                place = (splits.get(split), self.notes[name].label)
                meaning = tuple(part for part in place if part is not None)
                yield SourceFile(name, functools.partial(self.load, images, number), None, meaning)

    def load(self, images: Any, number: int, limit: int) -> bytes:
        """Return one image as a lossless file. Raise Unreadable above the limit."""
        values = np.ascontiguousarray(images[number])
        height, width, channels = values.shape
        dtype: Any = str(values.dtype)
        spec = ItemSpec(medium=self.medium.name, height=height, width=width, channels=channels, dtype=dtype)
        data = self.medium.encode(values, spec).data
        if len(data) > limit:
            raise too_large(limit)
        return data


def image_name(split: str, number: int) -> str:
    """Return the name of an image."""
    return f"{split}/{number:07d}.png" if split else f"{number:07d}.png"


def read_parts(path: Path) -> dict[str, tuple[Any, Any]]:
    """Return images and labels (None if there are none) by split; the split is empty if the file has none.

    Raises:
        InputError: The file is damaged, holds Python objects, or has no images.
    """
    try:
        content = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(content, np.ndarray):
            return {"": (content, None)}
        with content:
            arrays = {name: content[name] for name in content.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"data.source: {path}: not a NumPy file, damaged, or with Python objects, which are not loaded ({error})"
        ) from None
    parts: dict[str, tuple[Any, Any]] = {}
    for name, array in arrays.items():
        split, role = read_key(name)
        images, labels = parts.get(split, (None, None))
        if role == "images" and images is None:
            parts[split] = (array, labels)
        elif role == "labels" and labels is None:
            parts[split] = (images, array)
    parts = {split: part for split, part in parts.items() if part[0] is not None}
    if not parts:
        raise InputError(
            f"data.source: {path}: has no array `images` (and `labels`); its arrays are {', '.join(arrays) or 'none'}"
        )
    return parts


def read_key(name: str) -> tuple[str, str]:
    """Return the split and the role of an array: x_train is ("train", "images")."""
    words = name.casefold().replace("-", "_").split("_")
    split = next((word for word in words if word in TRAIN | TEST | VALIDATION), "")
    role = "labels" if set(words) & set(LABELS) else "images" if set(words) & set(IMAGES) else ""
    return split, role


def to_items(path: Path, images: Any) -> Any:
    """Return images as [N, H, W, C]. Raise InputError for another shape or dtype."""
    if images.dtype == np.bool_:
        images = images.astype(np.uint8) * 255
    if images.dtype not in (np.uint8, np.uint16):
        raise InputError(f"data.source: {path}: images are {images.dtype}; save them as uint8 or uint16")
    if images.ndim == 3:
        images = images[..., None]
    elif images.ndim == 4 and images.shape[-1] not in (1, 3) and images.shape[1] in (1, 3):
        images = images.transpose(0, 2, 3, 1)
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise InputError(
            f"data.source: {path}: images have the shape {list(images.shape)}; expected [N, H, W], [N, H, W, C] or "
            "[N, C, H, W] with 1 or 3 channels"
        )
    if images.dtype == np.uint16 and images.shape[-1] != 1:
        raise InputError(f"data.source: {path}: colour images are uint16; save them as uint8, or gray ones as uint16")
    return images


def read_labels(path: Path, labels: Any, count: int) -> Any:
    """Return labels [N]; None without labels. Raise InputError for another number of labels."""
    if labels is None:
        return None
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.shape != (count,) or labels.dtype.kind not in "iuU":
        raise InputError(
            f"data.source: {path}: labels are {labels.dtype} {list(labels.shape)}; expected a number or a name "
            f"for each of {count} images"
        )
    return labels
