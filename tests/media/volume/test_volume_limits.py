"""Limits of volumes act before anything is decoded: files that would need terabytes are refused by what they state."""

import io
import struct
import tracemalloc
import zipfile
from typing import Any

import numpy as np
import pytest

from pipeline.media.codec import BadItem
from pipeline.media.registry import MEDIA
from pipeline.media.volume import mesh_file
from pipeline.media.volume.settings import VolumeLimits
from tests.media.volume.broken_voxels import BROKEN
from tests.media.volume.voxel_files import npy, npz

VOLUME: Any = MEDIA["volume"]
SETTINGS: Any = VOLUME.Settings(source="x", resolution=4, limits=VolumeLimits(voxels=5000))


@pytest.mark.parametrize("kind", ["npy bomb", "binvox bomb", "npz bomb"])
def test_bombs_are_refused_without_memory(kind: str) -> None:
    data, reason = BROKEN[kind]
    tracemalloc.start()
    try:
        with pytest.raises(BadItem, match=reason):
            list(VOLUME.decode(data, SETTINGS))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_an_archive_that_hides_its_size_is_not_unpacked() -> None:
    """The directory of the archive states 64 voxels; the compressed array has 100 million."""
    archive = bytearray(npz(voxels=np.zeros((10, 1000, 10_000), dtype=np.uint8)))
    name = archive.rindex(b"voxels.npy")
    honest = len(npy(np.zeros((4, 4, 4), dtype=np.uint8)))
    struct.pack_into("<I", archive, name - 46 + 24, honest)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.infolist()[0].file_size == honest
    tracemalloc.start()
    try:
        with pytest.raises(BadItem, match="damaged"):
            list(VOLUME.decode(bytes(archive), SETTINGS))
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_a_mesh_of_ten_million_triangles_is_refused_by_its_header() -> None:
    """A whole file of 500 MB, whose pages no one touches: it takes no memory."""
    count = 10**7
    data = bytearray(mesh_file.STL_HEADER + mesh_file.STL_RECORD * count)
    struct.pack_into("<I", data, 80, count)
    tracemalloc.start()
    try:
        with pytest.raises(BadItem, match=r"10,000,000 triangles, over data\.limits\.triangles 1,000,000"):
            list(VOLUME.decode(data, SETTINGS))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
