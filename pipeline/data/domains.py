"""The two domains of a translation: A and B of pairs, or the two classes of a data set."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Int64Array, Items
from pipeline.data.store import ItemSet, PairSet
from pipeline.errors import InputError
from pipeline.items import ItemSpec


@dataclass(frozen=True)
class DomainItems:
    """The items of one domain.

    Attributes:
        name: A, B or a class.
        read: Returns the items at some positions.
        names: The files that the items come from.
        fingerprint: Stands for values and order.
    """

    name: str
    item: ItemSpec
    read: Callable[[Int64Array], Items] = field(repr=False)
    names: Sequence[str] = field(repr=False)
    fingerprint: str

    def __len__(self) -> int:
        return len(self.names)

    @property
    def labels(self) -> Int64Array:
        """int64 [N], all -1."""
        return np.full(len(self), -1, dtype=np.int64)

    def images(self, indices: npt.ArrayLike | None = None) -> Items:
        """Read the items at these positions, [n, H, W, C]; None reads all."""
        return self.read(np.arange(len(self)) if indices is None else np.asarray(indices, dtype=np.int64))


def split_domains(data: ItemSet) -> tuple[DomainItems, DomainItems]:
    """Return both domains: the sides of the pairs, in the same order, or the classes with labels 0 and 1.

    Raises:
        InputError: The data has neither pairs nor exactly two classes.
    """
    if isinstance(data, PairSet):
        a, b = (
            DomainItems(name, data.item, partial(data.read_side, number), data.names, derive(data, number))
            for number, name in enumerate("AB")
        )
        return a, b
    classes = data.item.classes
    if len(classes) != 2:
        count = f"{len(classes)} ({', '.join(classes[:20])})" if classes else "none"
        raise InputError(
            f"a translation needs two domains, and the data has {count} for classes, not two; name two in "
            "data.classes, such as [horse, deer], or set data.pairs"
        )
    return domain_of_class(data, 0), domain_of_class(data, 1)


def domain_of_class(data: ItemSet, label: int) -> DomainItems:
    """Return one class of a data set."""
    members = np.flatnonzero(data.labels == label)
    return DomainItems(
        data.item.classes[label],
        data.item,
        lambda positions: data.images(members[positions]),
        [data.names[position] for position in members.tolist()],
        derive(data, label),
    )


def flatten_pairs(data: ItemSet) -> ItemSet | DomainItems:
    """Return pairs as single items, all of A and then all of B; other data as it is."""
    if not isinstance(data, PairSet):
        return data
    a, b = split_domains(data)
    count = len(data)

    def read(positions: Int64Array) -> Items:
        out = np.empty((len(positions), *data.item.shape), dtype=data.item.dtype)
        for domain, members in ((a, positions < count), (b, positions >= count)):
            out[members] = domain.images(positions[members] % max(count, 1))
        return out

    return DomainItems("A and B", data.item, read, [*data.names, *data.names], f"{data.fingerprint} squares")


def derive(data: ItemSet, number: int) -> str:
    """Return the fingerprint of one domain."""
    return hashlib.sha256(f"{data.fingerprint} side {number}".encode()).hexdigest()
