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
class RestorationWords:
    """What a model does that restores items of a medium; {noun} stands for one item.

    Attributes:
        does: What the model is, for "A network that ...".
        use: What it is good for.
        risk: What to check before using its output.
        invents: Why its output is not evidence.
        result: Name of a result in examples.
        windows: How items are processed that are longer or larger than those of the training.
    """

    does: str = "restores {noun}s of any size from degraded ones"
    use: str = "Making {noun}s like the training data larger or cleaner, for people."
    risk: str = (
        "It was trained on one kind of degradation (see the settings above); it can make {noun}s with other "
        "degradations worse."
    )
    invents: str = (
        "it invents details that the input does not contain. Do not read plates, faces or findings from its output."
    )
    result: str = "restored"
    windows: str = "Large items are processed in overlapping tiles."


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
