"""The contract of a medium: what one item is. The part that imports without torch."""

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.arrays import Float64Array, Items
from pipeline.media.settings import DataSettings

if TYPE_CHECKING:
    from pipeline.measure import Measure


class Medium(ABC):
    """What one item of the data is."""

    name: ClassVar[str]
    Settings: ClassVar[type[DataSettings]]

    def appearance(self) -> "Sequence[Measure[Any]]":
        """Return the measures of `statistics`, relative to real items; each reads `data.appearance[name]`."""
        return ()

    def statistics(self, values: Items) -> Mapping[str, Float64Array]:
        """Return named numbers of each of the items [n, H, W, C], each [n]; none by default."""
        return {}
