"""How restored items of a medium are compared with their originals, if not as pictures."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.arrays import Float64Array, Items
from pipeline.items import ItemSpec


@dataclass(frozen=True)
class Similarity:
    """A number that says how near an item is to its original.

    Attributes:
        name: Key in the metrics.
        explanation: What it is, with its unit.
        compare: Maps items [n, H, W, C], their originals and their spec to numbers [n].
        higher: Higher is nearer; False for errors.
    """

    name: str
    explanation: str
    compare: Callable[[Items, Items, ItemSpec], Float64Array]
    higher: bool = True
