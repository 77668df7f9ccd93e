"""Triangle meshes (OFF, STL, OBJ, PLY) as solids. Needs trimesh.

The surface is marked on a grid that is finer than the item, and everything that cannot be reached from outside is
filled. The direction of the triangles therefore does not matter, but holes do: what leaks stays a shell.
"""

import io
import re
import struct
from typing import Any, NamedTuple

import numpy as np

from pipeline.arrays import BoolArray, Float64Array, Int64Array
from pipeline.media.codec import BadItem

FINER = 2
"""Cells of the grid along the side of a voxel."""
MARGIN = 1
"""Empty voxels around a mesh."""
STL_HEADER, STL_RECORD = 84, 50
DAMAGED = (
    *(ValueError, TypeError, LookupError, AttributeError, AssertionError, NotImplementedError, OSError, EOFError),
    *(OverflowError, RecursionError, struct.error, MemoryError),
)
"""What trimesh and numpy raise for damaged files."""
MISSING = "a triangle mesh, which needs trimesh: pip install 'ganline[solids]'"


class Mesh(NamedTuple):
    """A mesh.

    Attributes:
        corners: [n, 3].
        triangles: Positions of three corners each, [m, 3].
        closed: Each edge belongs to two triangles.
    """

    corners: Float64Array
    triangles: Int64Array
    closed: bool


def find_type(data: bytes) -> str:
    """Return the type of a mesh file, such as "off"; empty for other files."""
    start = data[:512].lstrip().lower()
    if re.match(rb"(st)?c?n?4?off\b|off\d", start):
        return "off"
    if start.startswith(b"ply"):
        return "ply"
    if len(data) >= STL_HEADER and STL_HEADER + STL_RECORD * count_records(data) == len(data):
        return "stl"
    if start.startswith(b"solid"):
        return "stl_ascii" if b"facet" in data or b"endsolid" in data else "stl"
    if re.search(rb"^v\s+[-+\d.]", data[:65536], re.MULTILINE):
        return "obj"
    return ""


def count_records(data: bytes) -> int:
    """Return the number of triangles that the header of a binary STL states."""
    return int(struct.unpack_from("<I", data, STL_HEADER - 4)[0])


def count_triangles(data: bytes, kind: str) -> int:
    """Return the number of faces that a file states or shows, without decoding it. Raise BadItem."""
    if kind == "stl":
        return count_records(data)
    if kind == "stl_ascii":
        return data.count(b"endfacet")
    if kind == "obj":
        return len(re.findall(rb"^f\s", data, re.MULTILINE))
    head = data[:4096]
    if kind == "ply":
        found = re.search(rb"element\s+face\s+(\d+)", head)
        if found is None:
            raise BadItem("a .ply file without triangles, such as a point cloud")
        return int(found[1])
    lines = [line.split(b"#")[0].strip() for line in head.splitlines()]
    numbers = re.findall(rb"-?\d+", re.sub(rb"^[a-zA-Z4]*off", b"", b" ".join(lines), flags=re.IGNORECASE))
    if len(numbers) < 2 or int(numbers[1]) < 0:
        raise BadItem("a damaged .off file: its header does not state the number of faces")
    return int(numbers[1])


def read_mesh(data: bytes, kind: str, most: int) -> Mesh:
    """Read a mesh.

    Args:
        data: Content of the file.
        kind: What `find_type` returned.
        most: Largest number of triangles.

    Raises:
        BadItem: trimesh is not installed, or the file is damaged, too large, or has no triangles.
    """
    stated = count_triangles(data, kind)
    if stated > most:
        raise BadItem(f"{stated:,} triangles, over data.limits.triangles {most:,}")
    try:
        import trimesh
    except ImportError:
        raise BadItem(MISSING) from None
    try:
        found: Any = trimesh.load(io.BytesIO(data), file_type=kind, force="mesh", process=True, skip_materials=True)
        mesh = Mesh(
            np.asarray(found.vertices, np.float64), np.asarray(found.faces, np.int64), bool(found.is_watertight)
        )
    except DAMAGED as error:
        raise BadItem(
            f"a damaged .{kind.removesuffix('_ascii')} file: {str(error)[:200] or type(error).__name__}"
        ) from None
    check_mesh(mesh, most)
    return mesh


def check_mesh(mesh: Mesh, most: int) -> None:
    """Raise BadItem for a mesh without triangles, with too many, or without a size."""
    if not len(mesh.triangles):
        raise BadItem("has no triangles")
    if len(mesh.triangles) > most:
        raise BadItem(f"{len(mesh.triangles):,} triangles, over data.limits.triangles {most:,}")
    if mesh.triangles.min() < 0 or mesh.triangles.max() >= len(mesh.corners):
        raise BadItem("damaged: a triangle names a corner that does not exist")
    used = mesh.corners[mesh.triangles]
    if not np.isfinite(used).all():
        raise BadItem("damaged: a corner is NaN or infinite")
    if not 0 < float(np.ptp(used.reshape(-1, 3), axis=0).max()) < 1e30:
        raise BadItem("all its triangles lie in one point, or are too large")


def describe_size(mesh: Mesh) -> str:
    """Return the size of the bounding box; files state no unit."""
    sides = np.ptp(mesh.corners[mesh.triangles].reshape(-1, 3), axis=0)
    return " x ".join(f"{side:.4g}" for side in sides) + " units"


def to_voxels(mesh: Mesh, side: int) -> tuple[BoolArray, float]:
    """Return a mesh as occupied cells [x, y, z] of a cube, and which share of them is not surface.

    The longest side of its bounding box fills the cube, except for a margin.

    Args:
        mesh: The mesh.
        side: Side of the item in voxels; the cube has `FINER` times as many cells.
    """
    cells = FINER * side
    corners = mesh.corners[mesh.triangles]
    low, high = (extreme(corners.reshape(-1, 3), axis=0) for extreme in (np.min, np.max))
    # Half a cell less: triangles on the far side lie in the last cell, not behind it.
    room = cells - 2 * FINER * MARGIN - 0.5
    placed = (corners - (low + high) / 2) * (room / float((high - low).max())) + cells / 2
    surface = np.zeros((cells,) * 3, dtype=bool)
    for points in sample_triangles(placed):
        surface[tuple(np.floor(points).astype(np.int64).clip(0, cells - 1).T)] = True
    solid = fill(surface)
    return solid, float((solid & ~surface).sum() / max(solid.sum(), 1))


def sample_triangles(corners: Float64Array) -> Any:
    """Yield points [k, 3] on triangles [m, 3, 3], nearer to each other than half a cell, and all corners."""
    first, across, along = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    longest = np.sqrt(np.max([(across**2).sum(1), (along**2).sum(1), ((across - along) ** 2).sum(1)], axis=0))
    steps = np.ceil(2 * longest).astype(np.int64) + 1
    for count in np.unique(steps):
        chosen = np.flatnonzero(steps == count)
        grid = np.arange(count + 1) / count
        u, v = (each[grid[:, None] + grid[None] <= 1 + 1e-9] for each in np.meshgrid(grid, grid, indexing="ij"))
        part = max(1, 2**20 // len(u))
        for start in range(0, len(chosen), part):
            rows = chosen[start : start + part]
            points = first[rows, None] + u[:, None] * across[rows, None] + v[:, None] * along[rows, None]
            yield points.reshape(-1, 3)


def fill(surface: BoolArray) -> BoolArray:
    """Return all cells that cannot be reached from outside through faces of empty cells."""
    from scipy.ndimage import label

    outside, _ = label(np.pad(~surface, 1, constant_values=True))
    solid: BoolArray = (outside != outside[0, 0, 0])[1:-1, 1:-1, 1:-1]
    return solid
