"""The surface of a volume as triangles, by marching cubes. Needs scikit-image."""

from typing import NamedTuple

import numpy as np

from pipeline.arrays import Float32Array, Int64Array, Items
from pipeline.errors import InputError
from pipeline.media.volume.renderer import UPRIGHT
from pipeline.media.volume.settings import Axis

LEVEL = 0.5
"""Between the values of an empty and an occupied voxel, so that no voxel lies on the surface."""
HALF = 127.5


class Mesh(NamedTuple):
    """Triangles that face outwards; the last axis of the corners points up, and the volume has the side 1.

    Attributes:
        corners: [n, 3], from 0 to 1.
        triangles: Positions of three corners each, [m, 3].
    """

    corners: Float32Array
    triangles: Int64Array


def find_surface(volume: Items, up: Axis) -> Mesh:
    """Return the closed surface of a volume [H, W, D] of 0..255; no triangles for an empty one.

    Raises:
        InputError: scikit-image is not installed.
    """
    try:
        from skimage.measure import marching_cubes
    except ImportError:
        raise InputError(
            "STL and GLB files need scikit-image: pip install 'ganline[solids]', or write .npy or .binvox"
        ) from None
    binary = bool(np.isin(volume, (0, 255)).all())
    # An empty layer closes the surface.
    values: Items = np.pad(volume.transpose(UPRIGHT[up]), 1).astype(np.float32) / (255 if binary else 1)
    level = LEVEL if binary else HALF
    if values.max() <= level:
        return Mesh(np.empty((0, 3), np.float32), np.empty((0, 3), np.int64))
    found = marching_cubes(values, level, gradient_direction="ascent")  # type: ignore[no-untyped-call]
    corners, triangles = found[:2]
    placed = (corners - 0.5) / max(volume.shape)  # without the layer; the middle of a voxel is half a step in
    return Mesh(np.asarray(placed, dtype=np.float32), np.asarray(triangles, dtype=np.int64))
