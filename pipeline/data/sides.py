"""The two sides of a translation: A and B of pairs, or the two classes of a data set."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline.data.store import ImageSet, Int64Array, UInt8Array
from pipeline.errors import InputError


@dataclass(frozen=True)
class Side:
    """Some rows of a set of images, the half of each that begins at column `left` where it holds pairs."""

    data: ImageSet = field(repr=False)
    rows: Int64Array = field(repr=False)
    left: int
    names: Sequence[str] = field(repr=False)
    fingerprint: str

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def labels(self) -> Int64Array:
        return np.full(len(self), -1, dtype=np.int64)

    def images(self, indices: npt.ArrayLike | None = None) -> UInt8Array:
        """uint8 [n, R, R, C]."""
        picked = self.rows if indices is None else self.rows[np.asarray(indices, dtype=np.int64)]
        images = self.data.images(picked)
        return images[:, :, self.left : self.left + images.shape[1]]


def sides(data: ImageSet) -> tuple[Side, Side]:
    """A and B. Raises InputError where the data has neither pairs nor exactly two classes."""
    height, width, _ = data.item_shape
    if width == 2 * height:
        rows = np.arange(len(data))
        a, b = (Side(data, rows, left, data.names, f"{data.fingerprint} {left}") for left in (0, height))
        return a, b
    if len(data.classes) != 2:
        raise InputError(f"a translation needs data of two sides, and this has {len(data.classes)} classes: name two in data.classes, or set data.pairs")
    members = [np.flatnonzero(data.labels == label) for label in (0, 1)]
    a, b = (Side(data, rows, 0, [data.names[k] for k in rows.tolist()], f"{data.fingerprint} {label}") for label, rows in enumerate(members))
    return a, b
