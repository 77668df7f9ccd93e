"""The domains of a translation: sides A and B of pairs, or the classes of a dataset."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Int64Array, Items
from pipeline.data.store import ItemSet, PairSet
from pipeline.errors import InputError
from pipeline.items import DOMAINS, MOST_DOMAINS, ItemSpec

LISTED = 20
"""Classes that a message lists."""


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


def split_domains(data: ItemSet) -> dict[str, DomainItems]:
    """Return the domains by their short names: the sides of the pairs, in the same order, or the classes.

    Raises:
        InputError: The data has neither pairs nor 2 to 26 classes.
    """
    if isinstance(data, PairSet):
        titles = data.item.classes if len(data.item.classes) == 2 else ("A", "B")
        return {
            name: DomainItems(
                title, data.item, partial(data.read_side, number), data.names, domain_fingerprint(data, number)
            )
            for number, (name, title) in enumerate(zip(DOMAINS, titles, strict=False))
        }
    count = len(data.item.classes)
    if not 2 <= count <= MOST_DOMAINS:
        raise InputError(
            f"a translation needs two to {MOST_DOMAINS} domains, but the number of classes is "
            f"{describe_classes(data.item)}: name some in data.classes, such as [horse, deer], or set data.pairs"
        )
    return {name: select_class(data, label) for label, name in enumerate(DOMAINS[:count])}


def split_two_domains(data: ItemSet) -> dict[str, DomainItems]:
    """Return the domains "a" and "b". Raises InputError if the data has neither pairs nor exactly two classes."""
    if not isinstance(data, PairSet) and len(data.item.classes) != 2:
        raise InputError(
            f"a translation needs two domains, but the number of classes is {describe_classes(data.item)}: name two in "
            "data.classes, such as [horse, deer], or set data.pairs. Or set model.variant: stargan, which translates "
            "between all classes"
        )
    return split_domains(data)


def describe_classes(item: ItemSpec) -> str:
    """Return the number of classes with the names of the first."""
    names = ", ".join(item.classes[:LISTED]) + (", ..." if len(item.classes) > LISTED else "")
    return f"{len(item.classes)} ({names})" if item.classes else "none"


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
    a, b = split_domains(data).values()
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
