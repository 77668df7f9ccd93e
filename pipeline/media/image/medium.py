"""Images."""

import importlib
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipeline.arrays import Float64Array, Items
from pipeline.media.base import Medium
from pipeline.media.image.settings import ImageSettings

if TYPE_CHECKING:
    from pipeline.measure import Measure


class ImageMedium(Medium):
    """Gray or RGB images, uint8 [H, W, 1 or 3]."""

    name = "image"
    Settings = ImageSettings

    def appearance(self) -> "Sequence[Measure[Any]]":
        """Return the measures of brightness, contrast, sharpness, checkerboard and colour."""
        measures: Sequence[Measure[Any]] = module().APPEARANCE
        return measures

    def statistics(self, values: Items) -> Mapping[str, Float64Array]:
        """Return brightness, contrast, sharpness, checkerboard and colour of each image."""
        found: Mapping[str, Float64Array] = module().statistics(values)
        return found


def module() -> ModuleType:
    """Import the appearance of images by name, so that changes there do not change the code digest of a training."""
    return importlib.import_module("pipeline.media.image.appearance")
