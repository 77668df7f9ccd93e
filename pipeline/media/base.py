"""The contract of a medium: what one item is. The part that imports without torch."""

from abc import ABC
from typing import ClassVar

from pipeline.media.settings import DataSettings


class Medium(ABC):
    """What one item of the data is."""

    name: ClassVar[str]
    Settings: ClassVar[type[DataSettings]]
