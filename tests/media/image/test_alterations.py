"""Alterations of images: each keeps shape and type, changes the image, and does what its name says."""

import numpy as np
import pytest

from pipeline.arrays import Items
from pipeline.items import ItemSpec
from pipeline.media.image.alterations import alterations, exchange_quarters, shuffle_pixels


@pytest.mark.parametrize(("height", "width", "channels"), [(8, 8, 1), (16, 24, 1), (32, 32, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_items_keep_shape_and_type_and_change(
    height: int, width: int, channels: int, dtype: type[np.uint8 | np.uint16]
) -> None:
    items: Items = np.random.default_rng(0).integers(0, 200, (5, height, width, channels)).astype(dtype)
    kinds = alterations(ItemSpec(height=height, width=width, channels=channels))
    assert len({one.name for one in kinds}) == len(kinds)
    for kind in kinds:
        altered = kind.apply(items)
        assert (altered.shape, altered.dtype) == (items.shape, items.dtype), kind.name
        assert (altered != items).any(axis=(1, 2, 3)).all(), kind.name


def test_only_square_images_are_turned_by_quarters_and_only_colours_change() -> None:
    wide, colour = (alterations(ItemSpec(height=16, width=w, channels=c)) for w, c in ((24, 1), (16, 3)))
    assert not any("90" in one.name or one.group == "recoloured" for one in wide)
    assert sum("90" in one.name for one in colour) == 2
    assert sum(one.group == "recoloured" for one in colour) == 2


def test_quarters_change_places_and_pixels_stay_the_same() -> None:
    items = np.arange(2 * 16 * 16, dtype=np.uint16).reshape(2, 16, 16, 1)
    assert (exchange_quarters(items)[:, :8, :8] == items[:, 8:, 8:]).all()
    assert (np.sort(shuffle_pixels(items).reshape(2, -1)) == items.reshape(2, -1)).all()
