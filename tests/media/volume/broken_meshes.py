"""Meshes that cannot be used, each with the reason for which it is set aside. Needs trimesh."""

import struct
from typing import Any

import numpy as np
import trimesh


def export(mesh: Any, kind: str) -> bytes:
    data = mesh.export(file_type=kind)
    return data if isinstance(data, bytes) else bytes(data.encode())


def stl_of(count: int, *triangles: Any) -> bytes:
    body = b"".join(struct.pack("<12fH", 0, 0, 1, *np.ravel(each), 0) for each in triangles)
    return b"\0" * 80 + struct.pack("<I", count) + body


BOX = trimesh.creation.box((1, 2, 3))
OFF = export(BOX, "off")
STL = export(BOX, "stl")
PLY_HEADER = b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"

BROKEN = {
    "ten million triangles": (stl_of(10_000_000)[:84] + b"", "no volume"),
    "OFF of ten million triangles": (b"OFF\n9 10000000 0\n", "10,000,000 triangles, over data.limits.triangles 5,000"),
    "PLY of ten million": (PLY_HEADER + b"element face 10000000\nend_header\n", "10,000,000 triangles"),
    "OBJ of many": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\n" + b"f 1 2 3\n" * 5001, "5,001 triangles, over"),
    "OFF without numbers": (b"OFF\n", "header does not state the number of faces"),
    "OFF cut off": (OFF[: len(OFF) // 2], r"a damaged \.off file"),
    "OFF without faces": (b"OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n", r"has no triangles|damaged \.off"),
    "point cloud": (PLY_HEADER + b"end_header\n0 0 0\n", "without triangles, such as a point cloud"),
    "PLY cut off": (export(BOX, "ply")[:-40], r"damaged|no triangles"),
    "OBJ without faces": (b"v 0 0 0\nv 1 0 0\n", r"has no triangles|damaged \.obj"),
    "OBJ with a missing corner": (b"v 0 0 0\nv 1 0 0\nf 1 2 9\n", "damaged"),
    "empty STL": (stl_of(0), "has no triangles|damaged .stl"),
    "STL cut off": (b"solid x\n" + STL[8:-20], r"damaged \.stl|no volume|no triangles"),
    "NaN": (stl_of(1, np.full((3, 3), np.nan)), "a corner is NaN or infinite|no triangles"),
    "infinite": (stl_of(1, [[0, 0, 0], [np.inf, 0, 0], [0, 1, 0]]), "a corner is NaN or infinite|no triangles"),
    "a single point": (stl_of(2, np.ones((3, 3)), np.ones((3, 3))), "all its triangles lie in one point|no triangles"),
}
