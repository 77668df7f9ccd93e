"""Ways to break an item that an evaluation learns to recognise."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.arrays import Items

Group = Literal["turned", "recoloured", "unreal"]
"""What an alteration makes of an item: the same item in another orientation, in other colours, or none that is real."""


@dataclass(frozen=True)
class Alteration:
    """A way to break items.

    Attributes:
        name: What a broken item looks like, as in "samples look NAME".
        group: What is wrong with it.
        apply: Maps items [n, H, W, C] to broken ones. An item that is mixed with another takes its neighbour.
    """

    name: str
    group: Group
    apply: Callable[[Items], Items]


def mix_neighbours(items: Items) -> Items:
    """Return the mean of each item and the next one."""
    total = items.astype(np.float32) + np.roll(items, -1, axis=0)
    return np.rint(total / 2).astype(items.dtype)
