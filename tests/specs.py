"""Item specs for tests."""

from collections.abc import Sequence

from torch import Tensor

from pipeline.arrays import Items
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of


def image_spec(resolution: int, channels: int, classes: int | Sequence[str] = 0) -> ItemSpec:
    """Return the spec of square images; `classes` are names or their number."""
    names = tuple(map(str, range(classes))) if isinstance(classes, int) else tuple(classes)
    return ItemSpec(height=resolution, width=resolution, channels=channels, classes=names)


def to_uint8(images: Tensor) -> Items:
    """Return network values [n, C, H, W] in [-1, 1] as stored images, uint8 [n, H, W, C]."""
    return tensors_of(image_spec(images.shape[2], images.shape[1])).from_network(images)
