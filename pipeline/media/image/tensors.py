"""Images as tensors: they can be mirrored, and degraded for restoration."""

from typing import Any

from torch import Tensor

from pipeline.media.image.degradations import Degradation
from pipeline.media.tensors import Degrade, Tensors


class ImageTensors(Tensors):
    """Pixels in [-1, 1] for networks, 0 .. 255 for feature extractors."""

    def mirror(self, values: Tensor) -> Tensor:
        """Mirror images [n, C, H, W] left to right."""
        return values.flip(3)

    def degradation(self, **options: Any) -> Degrade:
        """Return a `Degradation`."""
        return Degradation(**options)
