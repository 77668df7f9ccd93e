"""How restored items of a medium are compared with their originals, if not as pictures."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.arrays import Float64Array, Items
from pipeline.items import ItemSpec

INPUT = "input"
"""What a trial has whose inputs are items themselves; see `Measure.needs`."""

RECOGNISED = "recognised classes"
"""What a trial has whose items have classes that a classifier names."""


@dataclass(frozen=True)
class Similarity:
    """A number that says how near an item is to its original.

    Attributes:
        name: Key in the metrics.
        explanation: What it is, with its unit.
        compare: Maps items [n, H, W, C], their originals and their spec to numbers [n].
        higher: Higher is nearer; False for errors.
        needs: What a trial must have for this number to mean anything; empty for nothing.
    """

    name: str
    explanation: str
    compare: Callable[[Items, Items, ItemSpec], Float64Array]
    higher: bool = True
    needs: str = ""
