"""Bring volumes of any size to cubes of one size."""

from collections.abc import Callable, Mapping

import numpy as np

from pipeline.arrays import UInt8Array
from pipeline.media.codec import BadItem, Bounds
from pipeline.media.volume.array_file import Voxels
from pipeline.media.volume.settings import Resize, VolumeSettings

OCCUPIED = 255
"""The stored value of an occupied voxel; that of an empty one is 0."""
TOPS = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
"""Largest values of 8, 10, 12, 14 and 16 bits."""


def fit(values: Voxels, side: int, merge: Resize, empty: float = 0) -> Voxels:
    """Return a volume as a cube of `side` voxels: padded with `empty` to a cube, then resized."""
    longest = max(values.shape)
    if values.shape != (longest,) * 3:
        cube = np.full((longest,) * 3, empty, dtype=values.dtype)
        starts = [(longest - size) // 2 for size in values.shape]
        cube[tuple(slice(start, start + size) for start, size in zip(starts, values.shape, strict=True))] = values
        values = cube
    for axis in range(3):
        values = RESIZE[merge](values, axis, side)
    return values


def merge_largest(values: Voxels, axis: int, side: int) -> Voxels:
    """Return the largest value of the voxels that each new voxel overlaps along an axis."""
    first, last = overlaps(values.shape[axis], side)
    found = np.take(values, first, axis=axis)
    for step in range(1, int((last - first).max()) + 1):
        found = np.maximum(found, np.take(values, np.minimum(first + step, last), axis=axis))
    return found


def merge_mean(values: Voxels, axis: int, side: int) -> Voxels:
    """Return the mean of the voxels that each new voxel overlaps along an axis."""
    first, last = overlaps(values.shape[axis], side)
    sums = np.cumsum(values, axis=axis, dtype=np.float64)
    before = np.take(sums, np.maximum(first - 1, 0), axis=axis)
    shape = [1, 1, 1]
    shape[axis] = side
    before = before * (first > 0).reshape(shape)
    found: Voxels = (np.take(sums, last, axis=axis) - before) / (last - first + 1).reshape(shape)
    return found


def merge_nearest(values: Voxels, axis: int, side: int) -> Voxels:
    """Return the voxel in the middle of each new voxel along an axis."""
    size = values.shape[axis]
    return np.asarray(np.take(values, (2 * np.arange(side) + 1) * size // (2 * side), axis=axis))


def overlaps(size: int, side: int) -> tuple[Voxels, Voxels]:
    """Return the first and the last of `size` voxels that each of `side` voxels overlaps."""
    places = np.arange(side)
    return places * size // side, -(-(places + 1) * size // side) - 1


RESIZE: Mapping[Resize, Callable[[Voxels, int, int], Voxels]] = {
    "max": merge_largest,
    "mean": merge_mean,
    "nearest": merge_nearest,
}


def check_finite(values: Voxels) -> None:
    """Raise BadItem if a voxel is NaN or infinite."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadItem(f"contains {np.count_nonzero(~np.isfinite(values)):,} voxels that are NaN or infinite")


def occupancy(values: Voxels, settings: VolumeSettings) -> UInt8Array:
    """Return a volume as a cube of 0 and 255; of a mean, a half counts as occupied."""
    occupied = values > settings.threshold
    if settings.merge == "mean":
        occupied = fit(occupied.astype(np.float32), settings.resolution, settings.merge) >= 0.5
    else:
        occupied = fit(occupied, settings.resolution, settings.merge)
    return np.where(occupied, np.uint8(OCCUPIED), np.uint8(0))


def levels(values: Voxels, settings: VolumeSettings, bounds: Bounds) -> UInt8Array:
    """Return a volume as a cube of gray values, 0 to 255 over the range of the data set."""
    low, high = settings.range or find_range(bounds)
    cube = fit(values.astype(np.float64), settings.resolution, settings.merge, empty=low)
    return np.rint(np.clip((cube - low) * (255 / (high - low)), 0, 255)).astype(np.uint8)


def find_range(bounds: Bounds) -> tuple[float, float]:
    """Return the range of a data set: 0..1, that of the smallest number of bits, or that of the values themselves."""
    low, high = bounds.low, bounds.high
    if low >= 0:
        if not bounds.whole and high <= 1:
            return 0.0, 1.0
        return 0.0, next((top for top in TOPS if high <= top), high)
    return low, high if high > low else low + 1


def soft_share(values: Voxels) -> float:
    """Return the share of voxels between the smallest and the largest value: 0 for a grid of two values."""
    if values.dtype.kind == "b":
        return 0.0
    return float(np.count_nonzero((values > values.min()) & (values < values.max())) / values.size)
