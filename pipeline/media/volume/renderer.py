"""Draw volumes with numpy alone: rays through the voxels, shaded by the slope of the surface they hit."""

import functools

import numpy as np

from pipeline.arrays import Float32Array, Int32Array, Items, UInt8Array
from pipeline.media.volume.settings import Axis

AZIMUTH, ELEVATION = 35.0, 25.0
"""Direction from which volumes are seen, in degrees."""
REACH = 0.72
"""Half the side of the picture; the volume has the side 1."""
LIGHT = (0.55, 0.25, 0.8)
WHITE, BRIGHTEST = 255, 240
BATCH = 32
UPRIGHT = {"z": (0, 1, 2), "x": (1, 2, 0), "y": (2, 0, 1)}
"""Order of the axes that makes an axis the last one, and mirrors nothing."""


def upright(volumes: Items, up: Axis) -> Items:
    """Return volumes [n, H, W, D] whose last axis points up."""
    return np.asarray(volumes).transpose(0, *(axis + 1 for axis in UPRIGHT[up]))


def render(volumes: Items, up: Axis, side: int, azimuth: float = AZIMUTH, *, solid: bool = True) -> UInt8Array:
    """Draw volumes [n, H, W, D] of 0..255 as pictures [n, side, side, 1] on white.

    Args:
        up: Axis that points up.
        side: Side of a picture in pixels.
        azimuth: Direction in degrees.
        solid: Shade the surface of what is occupied; else show the largest value along each ray, dark on white.
    """
    turned = upright(volumes, up)
    draw = draw_surface if solid else draw_projection
    parts = [draw(turned[start : start + BATCH], side, azimuth) for start in range(0, len(turned), BATCH)]
    return np.concatenate(parts)[..., None]


def draw_surface(volumes: Items, side: int, azimuth: float) -> UInt8Array:
    """Shade the first occupied voxel of each ray."""
    places = rays(volumes.shape[1:], side, azimuth)
    occupied = (volumes >= 128).reshape(len(volumes), -1)
    along = np.pad(occupied, ((0, 0), (0, 1)))[:, places]  # the last place is outside
    hit = along.any(axis=2)
    first = along.argmax(axis=2)
    place = np.take_along_axis(np.broadcast_to(places, along.shape), first[..., None], axis=2)[..., 0]
    shade = np.take_along_axis(np.pad(brightness(volumes >= 128), ((0, 0), (0, 1))), place, axis=1)
    far = first / places.shape[1]
    levels = np.clip((0.35 + 0.65 * shade) * (1.15 - 0.5 * far), 0, 1) * BRIGHTEST
    return np.where(hit, levels, WHITE).astype(np.uint8).reshape(-1, side, side)


def draw_projection(volumes: Items, side: int, azimuth: float) -> UInt8Array:
    """Show the largest value along each ray."""
    places = rays(volumes.shape[1:], side, azimuth)
    values = np.pad(volumes.reshape(len(volumes), -1), ((0, 0), (0, 1)))
    levels: UInt8Array = (WHITE - values[:, places].max(axis=2)).astype(np.uint8)
    return levels.reshape(-1, side, side)


def brightness(occupied: Items) -> Float32Array:
    """Return how much light each voxel gets, from 0 to 1, [n, H * W * D]: by the slope of the smoothed occupancy."""
    smooth = np.pad(occupied, ((0, 0), *[(2, 2)] * 3)).astype(np.float32)
    for axis in (1, 2, 3):
        smooth = smooth + np.roll(smooth, 1, axis) + np.roll(smooth, -1, axis)
    slopes = [np.roll(smooth, 1, axis) - np.roll(smooth, -1, axis) for axis in (1, 2, 3)]
    inner = (slice(None), *[slice(2, -2)] * 3)
    normal = np.stack([slope[inner] for slope in slopes], axis=-1)
    length = np.linalg.norm(normal, axis=-1) + 1e-6
    light = np.array(LIGHT, dtype=np.float32) / np.linalg.norm(LIGHT)
    found: Float32Array = (0.5 + 0.5 * normal @ light / length).reshape(len(occupied), -1)
    return found


@functools.lru_cache(maxsize=32)
def rays(shape: tuple[int, int, int], side: int, azimuth: float) -> Int32Array:
    """Return the flat indices of the voxels along each ray, [side * side, steps]; outside is the number of voxels."""
    around, above = np.deg2rad([azimuth, ELEVATION])
    towards = -np.array([np.cos(above) * np.cos(around), np.cos(above) * np.sin(around), np.sin(above)])
    right = np.array([-np.sin(around), np.cos(around), 0])
    down = np.cross(towards, right)
    spots = (np.arange(side) + 0.5) / side * 2 * REACH - REACH
    starts = spots[None, :, None] * right + spots[:, None, None] * down
    steps = np.linspace(-0.87, 0.87, 2 * max(shape) + 2)
    points = starts[:, :, None] + steps[:, None] * towards
    cells = np.floor((points + 0.5) * shape).astype(np.int64)
    inside = ((cells >= 0) & (cells < shape)).all(axis=-1)
    flat = np.ravel_multi_index(tuple(np.moveaxis(cells.clip(0, np.array(shape) - 1), -1, 0)), shape)
    outside = int(np.prod(shape))
    return np.where(inside, flat, outside).astype(np.int32).reshape(side * side, -1)
