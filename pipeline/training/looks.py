"""The protocol of a look: how a task measures the averaged networks while they train."""

from collections.abc import Mapping
from typing import Protocol

from pipeline.gans.base import GAN


class Look(Protocol):
    """Measures the averaged networks during training.

    `goals` labels the numbers that a variant may be ranked by; smaller is better.
    """

    @property
    def goals(self) -> Mapping[str, str]: ...

    def look(self, gan: GAN, samples: int, seed: int, batch_size: int, /) -> dict[str, float]:
        """Return numbers by name, the goals among them. Does not change the random state of the training.

        No forward pass has more than `batch_size` images.
        """
        ...
