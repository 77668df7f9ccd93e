"""Files of voxels: every kind of broken file is refused with its reason, and axes stay where they are."""

from typing import Any

import numpy as np
import pytest

from pipeline.media.codec import BadItem
from pipeline.media.registry import MEDIA
from pipeline.media.volume.binvox import read_binvox, write_binvox
from pipeline.media.volume.settings import VolumeLimits
from tests.media.volume.broken_voxels import BROKEN, SOLID
from tests.media.volume.voxel_files import binvox, corner_shape, npy, npz

VOLUME: Any = MEDIA["volume"]
SETTINGS: Any = VOLUME.Settings(source="x", resolution=4, limits=VolumeLimits(voxels=5000))


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_are_refused_with_the_reason(kind: str) -> None:
    data, reason = BROKEN[kind]
    with pytest.raises(BadItem, match=reason):
        list(VOLUME.decode(data, SETTINGS))


@pytest.mark.parametrize("lines", [("dim 4 4 4",), ("dim 4 4 4", "translate -1 2 .5", "scale 7.5")])
def test_binvox_keeps_axes_where_they_are(lines: tuple[str, ...]) -> None:
    solid = corner_shape()
    flat = solid.transpose(0, 2, 1).ravel()  # the format's order: x, z, y
    runs = b"".join(bytes([value, 1]) for value in flat.tolist())
    assert (read_binvox(binvox(*lines, runs=runs), 64) == solid).all()


def test_long_runs_are_written_in_parts() -> None:
    solid = np.zeros((16, 8, 12), dtype=bool)
    solid[3:, 2:6, 4] = True
    assert (read_binvox(write_binvox(solid), 2000) == solid).all()
    assert b"dim 16 12 8\n" in write_binvox(solid)


@pytest.mark.parametrize(
    ("array", "count"),
    [(SOLID, 1), (SOLID[None], 1), (SOLID[..., None], 1), (np.stack([SOLID] * 3), 3), (np.asfortranarray(SOLID), 1)],
)
def test_arrays_of_one_and_of_many_volumes_are_read(array: Any, count: int) -> None:
    assert len(list(VOLUME.decode(npy(array), SETTINGS))) == count


def test_a_volume_is_found_among_other_arrays() -> None:
    (item,) = VOLUME.decode(npz(voxels=corner_shape(), translate=np.zeros(3), scale=np.float32(1)), SETTINGS)
    assert (item.values == corner_shape() * np.uint8(255)).all()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.float32, np.float64, ">u2"])
def test_numbers_of_any_type_are_voxels(dtype: Any) -> None:
    (item,) = VOLUME.decode(npy(corner_shape().astype(dtype)), SETTINGS)
    assert (item.values == corner_shape() * np.uint8(255)).all()
