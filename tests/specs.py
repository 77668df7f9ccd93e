"""Item specs for tests."""

from collections.abc import Sequence

from pipeline.items import ItemSpec


def image_spec(resolution: int, channels: int, classes: int | Sequence[str] = 0) -> ItemSpec:
    """Return a square image item with labels of these names, or with so many labels."""
    names = tuple(map(str, range(classes))) if isinstance(classes, int) else tuple(classes)
    return ItemSpec(height=resolution, width=resolution, channels=channels, classes=names)
