"""The two domains of a translation: sides A and B of pairs, or the two classes of a dataset."""

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
        item: Shape and dtype of an item.
        read: Returns the items at given positions.
        names: Files of the items.
        fingerprint: Digest of the values in their order.
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
        """Labels, int64 [N], all -1."""
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
            DomainItems(name, data.item, partial(data.read_side, number), data.names, domain_fingerprint(data, number))
            for number, name in enumerate("AB")
        )
        return a, b
    classes = data.item.classes
    if len(classes) != 2:
        count = f"{len(classes)} ({', '.join(classes[:20])})" if classes else "none"
        raise InputError(
            f"a translation needs two domains, but the number of classes is {count}: name two in data.classes, such as "
            "[horse, deer], or set data.pairs"
        )
    return select_class(data, 0), select_class(data, 1)


def select_class(data: ItemSet, label: int) -> DomainItems:
    """Return one class of a dataset as a domain."""
    members = np.flatnonzero(data.labels == label)
    return DomainItems(
        data.item.classes[label],
        data.item,
        lambda positions: data.images(members[positions]),
        [data.names[position] for position in members.tolist()],
        domain_fingerprint(data, label),
    )


def flatten_pairs(data: ItemSet) -> ItemSet | DomainItems:
    """Return pairs as single items, first all of A and then all of B; return other data unchanged."""
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


def domain_fingerprint(data: ItemSet, number: int) -> str:
    """Return the fingerprint of one domain."""
    return hashlib.sha256(f"{data.fingerprint} side {number}".encode()).hexdigest()
