"""The two sides of a translation: A and B of pairs, or the two classes of a data set."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Int64Array, UInt8Array
from pipeline.data.store import ImageSet, Pairs
from pipeline.errors import InputError


@dataclass(frozen=True)
class Side:
    """The pictures of one side, of which `read` gives those at some positions; `name` is A, B or a class. `fingerprint` stands for pixels and order."""

    name: str
    read: Callable[[Int64Array], UInt8Array] = field(repr=False)
    names: Sequence[str] = field(repr=False)
    fingerprint: str

    def __len__(self) -> int:
        return len(self.names)

    @property
    def labels(self) -> Int64Array:
        """int64 [N], all -1."""
        return np.full(len(self), -1, dtype=np.int64)

    def images(self, indices: npt.ArrayLike | None = None) -> UInt8Array:
        """uint8 [n, R, R, C] for positions in this side; None reads all of it."""
        return self.read(np.arange(len(self)) if indices is None else np.asarray(indices, dtype=np.int64))


def sides(data: ImageSet) -> tuple[Side, Side]:
    """A and B: the squares of each pair, in the same order, or the classes with labels 0 and 1.

    Raises InputError where the data has neither pairs nor exactly two classes.
    """
    if isinstance(data, Pairs):
        a, b = (
            Side(name, partial(data.side, number), data.names, derived(data, number))
            for number, name in enumerate("AB")
        )
        return a, b
    if len(data.classes) != 2:
        found = f"{len(data.classes)} ({', '.join(data.classes[:20])})" if data.classes else "none"
        raise InputError(
            f"a translation is from one side of the data to another, and the data has {found} for classes, not two; name two in data.classes, "
            "such as [horse, deer], or set data.pairs"
        )
    return domain(data, 0), domain(data, 1)


def domain(data: ImageSet, label: int) -> Side:
    """One class of a data set."""
    members = np.flatnonzero(data.labels == label)
    return Side(
        data.classes[label],
        lambda at: data.images(members[at]),
        [data.names[position] for position in members.tolist()],
        derived(data, label),
    )


def squares(data: ImageSet) -> ImageSet | Side:
    """Pairs as single pictures, all A and then all B; anything else as it is."""
    if not isinstance(data, Pairs):
        return data
    a, b = sides(data)
    count = len(data)

    def read(at: Int64Array) -> UInt8Array:
        out = np.empty((len(at), data.item_shape[0], *data.item_shape[::2]), dtype=np.uint8)
        for side, here in ((a, at < count), (b, at >= count)):
            out[here] = side.images(at[here] % max(count, 1))
        return out

    return Side("A and B", read, [*data.names, *data.names], f"{data.fingerprint} squares")


def derived(data: ImageSet, number: int) -> str:
    return hashlib.sha256(f"{data.fingerprint} side {number}".encode()).hexdigest()
