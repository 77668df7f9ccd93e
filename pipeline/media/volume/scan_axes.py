"""Bring scans to the axes of the body (x from left to right, y from back to front, z up), and voxels to cubes."""

from typing import NamedTuple

import numpy as np

from pipeline.arrays import Float64Array
from pipeline.media.codec import BadItem
from pipeline.media.volume.array_file import Voxels

CODES = (("L", "R"), ("P", "A"), ("I", "S"))
"""Where a patient axis leads to, against and along its direction."""
OBLIQUE = np.cos(np.deg2rad(35))
"""Smallest cosine of the angle between an axis of the array and the nearest one of the patient."""
SHEAR = 1e-3
"""Largest cosine of the angle between two axes of the array."""


class Scan(NamedTuple):
    """A scan whose axes are those of the patient.

    Attributes:
        values: [x, y, z]; or [n, x, y, z] for several.
        spacing: Sides of a voxel in millimetres.
        axes: Where the axes of the file led to, such as "LPS".
    """

    values: Voxels
    spacing: tuple[float, float, float]
    axes: str


def orient(values: Voxels, affine: Float64Array) -> Scan:
    """Return an array [x, y, z] with its axes reordered and mirrored to those of the patient.

    Args:
        values: The array.
        affine: [4, 4] or [3, 3]: from places in the array to millimetres to the right, the front and the top (RAS).

    Raises:
        BadItem: The affine is no rotation with a spacing, or lies between two axes.
    """
    matrix = np.asarray(affine, dtype=np.float64)[:3, :3]
    spacing = np.sqrt((matrix**2).sum(axis=0))
    if not np.isfinite(matrix).all() or (spacing <= 0).any() or (spacing > 1e4).any():
        raise BadItem("damaged: its affine has no spacing")
    directions = matrix / spacing
    if np.abs(directions.T @ directions - np.eye(3)).max() > SHEAR:
        raise BadItem("its axes are not at right angles (shear): resample it")
    nearest = np.abs(directions).argmax(axis=0)
    if len(set(nearest.tolist())) < 3 or np.abs(directions).max(axis=0).min() < OBLIQUE:
        raise BadItem("its axes lie between those of the patient (oblique): resample it")
    signs = np.sign(directions[nearest, range(3)])
    axes = "".join(CODES[axis][int(sign > 0)] for axis, sign in zip(nearest.tolist(), signs, strict=True))
    mirrored = values[tuple(slice(None, None, int(sign)) for sign in signs)]
    order = np.argsort(nearest)
    x, y, z = spacing[order].tolist()
    return Scan(mirrored.transpose(order), (x, y, z), axes)


def make_isotropic(scan: Scan, most: int) -> Voxels:
    """Return a scan with voxels of its smallest spacing: each new voxel has the value of the one in its middle.

    Raises:
        BadItem: That would be more than `most` voxels.
    """
    smallest = min(scan.spacing)
    sides = [max(1, round(size * step / smallest)) for size, step in zip(scan.values.shape, scan.spacing, strict=True)]
    if np.prod(sides, dtype=np.float64) > most:
        raise BadItem(
            f"{np.prod(sides, dtype=np.float64):,.0f} voxels of {smallest:g} mm, over data.limits.voxels {most:,}"
        )
    values = scan.values
    for axis, (size, side) in enumerate(zip(scan.values.shape, sides, strict=True)):
        if side != size:
            values = np.take(values, (2 * np.arange(side) + 1) * size // (2 * side), axis=axis)
    return values


def describe_scan(scan: Scan) -> str:
    """Return size, spacing and axes of a scan."""
    sides, steps = (" x ".join(f"{each:.4g}" for each in row) for row in (scan.values.shape, scan.spacing))
    return f"{sides} of {steps} mm, {scan.axes}"
