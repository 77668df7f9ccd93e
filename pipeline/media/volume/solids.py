"""Boxes, spheres, tori and tables in random poses: labelled solids with a known truth, without a download.

`recognise` tells the class of any solid by geometric rules: its pieces, its Euler number, and how it fills its convex
hull and a ball.
"""

import functools
import io
from collections.abc import Callable, Iterator

import numpy as np

from pipeline.arrays import BoolArray, Float64Array, FloatArray, Items
from pipeline.media.volume.pieces import count_pieces, euler_numbers

CLASSES = ("box", "sphere", "torus", "table")
EACH = 600
"""Files of each class."""
TILT = np.deg2rad(15)
"""Largest angle by which the upright axis is tilted; the angle around it is free."""
SHIFT = 0.06
"""Largest shift along each axis; the cube reaches from -1 to 1."""
SPARSE, RING, DENSE = 0.5, 0.45, 0.6
"""Shares of their convex hull that a table fills at most, and a torus and a box at least."""
ROUND = 0.85
"""Intersection over union with a ball that a sphere has at least."""


class Solids:
    """600 `.npy` files of each class, the same at every call."""

    name = "solids"

    def __init__(self, side: int) -> None:
        self.side = side

    def files(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Yield one file after the other."""
        for number, name in enumerate(CLASSES):
            for index in range(EACH):
                yield f"{name}/{index:04d}.npy", functools.partial(write_solid, number, index, self.side)


def write_solid(number: int, index: int, side: int) -> bytes:
    """Return file `index` of a class."""
    rng = np.random.Generator(np.random.Philox(key=[number, index]))
    file = io.BytesIO()
    np.save(file, draw_solid(CLASSES[number], side, rng).astype(np.uint8))
    return file.getvalue()


def draw_solid(name: str, side: int, rng: np.random.Generator) -> BoolArray:
    """Return a random solid of a class in a random pose, [side, side, side]; the last axis points up."""
    centres = (np.arange(side) + 0.5) * 2 / side - 1
    points = np.stack(np.meshgrid(centres, centres, centres, indexing="ij"), axis=-1)
    turn = rotation(rng.uniform(0, 2 * np.pi), rng.uniform(0, TILT), rng.uniform(0, 2 * np.pi))
    return INSIDE[name]((points - rng.uniform(-SHIFT, SHIFT, 3)) @ turn, rng)


def rotation(yaw: float, tilt: float, direction: float) -> Float64Array:
    """Return the rotation by `yaw` around the upright axis, then by `tilt` around a horizontal axis."""
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    x, y = np.cos(direction), np.sin(direction)
    cross = np.array([[0, 0, y], [0, 0, -x], [-y, x, 0]])  # Rodrigues' formula
    lean: Float64Array = np.eye(3) + np.sin(tilt) * cross + (1 - np.cos(tilt)) * cross @ cross
    return np.asarray(lean @ turn)


def inside_box(points: Float64Array, rng: np.random.Generator) -> BoolArray:
    """Return which points lie in a random box."""
    return within(points, rng.uniform(0.32, 0.6, 3))


def inside_sphere(points: Float64Array, rng: np.random.Generator) -> BoolArray:
    """Return which points lie in a random ball."""
    found: BoolArray = (points**2).sum(axis=-1) <= rng.uniform(0.4, 0.75) ** 2
    return found


def inside_torus(points: Float64Array, rng: np.random.Generator) -> BoolArray:
    """Return which points lie in a random torus around the upright axis."""
    ring = np.hypot(points[..., 0], points[..., 1]) - rng.uniform(0.48, 0.58)
    found: BoolArray = ring**2 + points[..., 2] ** 2 <= rng.uniform(0.2, 0.25) ** 2
    return found


def inside_table(points: Float64Array, rng: np.random.Generator) -> BoolArray:
    """Return which points lie in a random table: a top on four legs."""
    half, height = rng.uniform(0.48, 0.62, 2), rng.uniform(0.4, 0.55)
    top = within(points - [0, 0, height - 0.13], np.array([*half, 0.13]))
    feet = np.abs(points[..., :2]) - (half - 0.12)
    legs = within(np.concatenate([feet, points[..., 2:]], axis=-1), np.array([0.12, 0.12, height]))
    return top | legs


def within(points: Float64Array, half: FloatArray) -> BoolArray:
    """Return which points lie in the box whose sides are twice `half`."""
    return np.asarray((np.abs(points) <= half).all(axis=-1))


INSIDE = {"box": inside_box, "sphere": inside_sphere, "torus": inside_torus, "table": inside_table}


# --- the truth ---


def recognise(items: Items) -> list[str]:
    """Return the class of each solid [n, H, W, D] by rules; "" for one that is none of them."""
    occupied = items >= 128
    pieces, euler = count_pieces(occupied), euler_numbers(occupied)
    rows = zip(occupied, pieces, euler, strict=True)
    return [name_solid(solid, int(number)) if count == 1 else "" for solid, count, number in rows]


def name_solid(solid: BoolArray, euler: int) -> str:
    """Return the class of a solid of one piece with this Euler number."""
    volume = int(solid.sum())
    fill = volume / hull_volume(solid)
    if euler == 0 and fill >= RING:
        return "torus"
    if euler in (0, 1) and fill < SPARSE:
        return "table"
    if euler != 1 or fill < DENSE:
        return ""
    return "sphere" if roundness(solid, volume) >= ROUND else "box"


def hull_volume(solid: BoolArray) -> float:
    """Return the volume of the convex hull of all occupied voxels, in voxels."""
    from scipy.spatial import ConvexHull

    rows = solid.any(axis=2)
    first, last = solid.argmax(axis=2)[rows], solid.shape[2] - solid[..., ::-1].argmax(axis=2)[rows]
    x, y = np.nonzero(rows)
    ends = np.concatenate([np.stack([x, y, z], axis=1) for z in (first, last)])
    corners = np.concatenate([ends + np.array([a, b, 0]) for a in (0, 1) for b in (0, 1)])
    return float(ConvexHull(corners).volume)


def roundness(solid: BoolArray, volume: int) -> float:
    """Return the intersection over union of a solid and the ball of its volume around its centre."""
    centre = np.argwhere(solid).mean(axis=0)
    grid = np.indices(solid.shape).transpose(1, 2, 3, 0)
    ball = ((grid - centre) ** 2).sum(axis=-1) <= (3 * volume / (4 * np.pi)) ** (2 / 3)
    return float((solid & ball).sum() / (solid | ball).sum())
