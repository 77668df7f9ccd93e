"""Item specs for tests."""

from pipeline.items import ItemSpec


def image_spec(resolution: int, channels: int, classes: int = 0) -> ItemSpec:
    """A square image item with `classes` labels."""
    names = tuple(str(number) for number in range(classes))
    return ItemSpec(height=resolution, width=resolution, channels=channels, classes=names)
