"""What decoding and encoding give: items, files, and the reason why a file is no item. Imports without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pipeline.arrays import Items


@dataclass(frozen=True)
class Fact:
    """A column of the manifest that `decode` fills."""

    name: str
    type: Literal["string", "int32", "int64", "float64"]


@dataclass(frozen=True)
class Bounds:
    """The smallest and largest stored value of one file or of many; `whole` values are integers."""

    low: float
    high: float
    whole: bool

    def union(self, other: Bounds | None) -> Bounds:
        """Return the bounds of both."""
        return self if other is None else Bounds(min(self.low, other.low), max(self.high, other.high), self.whole)


@dataclass(frozen=True)
class Item:
    """One decoded item.

    Attributes:
        values: [H, W, C].
        facts: One value for every `Fact` of the medium; one that does not apply is left out.
        bounds: Of the file's values, if only the whole data set shows which of them are darkest and lightest.
    """

    values: Items
    facts: Mapping[str, float | int | str]
    bounds: Bounds | None = None


class BadItem(ValueError):
    """A file cannot be used; the message is the reason that the quarantine shows, without the file's name."""


@dataclass(frozen=True)
class Encoded:
    """One item as a file; `losses`: what the file of its source has that this one has not, each in a few words."""

    data: bytes
    mime_type: str
    suffix: str
    losses: tuple[str, ...] = ()


@dataclass(frozen=True)
class TransformInput:
    """One item for a model that transforms items.

    Attributes:
        values: [H, W, C], as the exported graph takes them.
        properties: What else the file holds, for `encode_result` of the same medium.
        losses: What decoding leaves out, each in a few words.
    """

    values: Items
    properties: Any = None
    losses: tuple[str, ...] = ()
