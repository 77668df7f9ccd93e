"""Meshes as solids: all types, filled from outside, whatever their normals; broken ones are refused with the reason."""

import struct
from typing import Any

import numpy as np
import pytest

from pipeline.media.codec import BadItem
from pipeline.media.registry import MEDIA
from pipeline.media.volume.mesh_file import Mesh, find_type, to_voxels
from pipeline.media.volume.pieces import euler_numbers
from pipeline.media.volume.settings import VolumeLimits

trimesh: Any = pytest.importorskip("trimesh", reason="meshes need trimesh: pip install 'ganline[solids]'")

VOLUME: Any = MEDIA["volume"]
SETTINGS: Any = VOLUME.Settings(source="x", limits=VolumeLimits(triangles=5000))
KINDS = ("off", "stl", "stl_ascii", "obj", "ply")


def export(mesh: Any, kind: str) -> bytes:
    data = mesh.export(file_type=kind)
    return data if isinstance(data, bytes) else bytes(data.encode())


def decode(data: bytes, **settings: Any) -> Any:
    (item,) = VOLUME.decode(data, SETTINGS.model_copy(update=settings))
    return item


BOX = trimesh.creation.box((1, 2, 3))
OFF = export(BOX, "off")
STL = export(BOX, "stl")
PLY_HEADER = b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_is_the_same_solid(kind: str) -> None:
    data = export(BOX, kind)
    assert find_type(data) == kind
    item = decode(data)
    sides = [int(item.values.any(axis=tuple({0, 1, 2} - {axis})).sum()) for axis in range(3)]
    assert sides == [6, 10, 14]  # 1 : 2 : 3, with a margin of one voxel
    assert (item.values > 0).sum() == 6 * 10 * 14
    assert (item.facts["shape"], item.facts["open"], item.facts["pieces"]) == ("1 x 2 x 3 units", 0, 1)


def test_the_unit_does_not_matter_and_is_shown() -> None:
    small = BOX.copy()
    small.apply_scale(0.001)
    assert (decode(export(small, "stl")).values == decode(STL).values).all()
    assert decode(export(small, "stl")).facts["shape"] == "0.001 x 0.002 x 0.003 units"


def test_inverted_normals_do_not_matter() -> None:
    inverted = trimesh.Trimesh(BOX.vertices, BOX.faces[:, ::-1], process=False)
    assert (decode(export(inverted, "stl")).values == decode(STL).values).all()


def test_a_torus_keeps_its_hole_and_a_sphere_is_solid() -> None:
    torus, ball = trimesh.creation.torus(1, 0.4), trimesh.creation.icosphere(3)
    limits = VolumeLimits(triangles=10_000)
    values = [decode(export(mesh, "ply"), limits=limits).values for mesh in (torus, ball)]
    assert euler_numbers(np.stack(values) > 0).tolist() == [0, 1]


def test_a_header_on_the_first_line_is_read() -> None:
    assert (decode(b"OFF" + OFF.split(b"\n", 1)[1]).values == decode(OFF).values).all()


def test_an_open_mesh_that_cannot_be_filled_is_set_aside() -> None:
    import pandas as pd  # type: ignore[import-untyped]

    ball = trimesh.creation.icosphere(3)
    half = trimesh.Trimesh(ball.vertices, ball.faces[ball.triangles_center[:, 2] < 0.3])
    pinned = trimesh.Trimesh(ball.vertices, ball.faces[1:])  # a hole that is smaller than a voxel
    items = [decode(export(mesh, "stl")) for mesh in (half, pinned, ball)]
    table = pd.DataFrame([item.facts for item in items])
    assert table["open"].tolist() == [1, 1, 0]
    (found,) = (one for one in VOLUME.defects(table, VOLUME.Validation(), "none") if one.reason == "open_mesh")
    assert found.rows.tolist() == [True, False, False]
    messages = {one.key: one.message for one in VOLUME.expectations(table, table, VOLUME.Validation())}
    assert "2 items come from meshes whose surface has holes" in messages["max_open_share"]


def test_a_large_triangle_has_no_gaps() -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0.3], [0, 1, 0.7]], dtype=float)
    solid, inside = to_voxels(Mesh(corners, np.array([[0, 1, 2]]), False), 32)
    assert inside == 0
    for row in np.asarray(solid.any(axis=2)):
        places = np.flatnonzero(row)
        assert (np.diff(places) == 1).all()


def stl_of(count: int, *triangles: Any) -> bytes:
    body = b"".join(struct.pack("<12fH", 0, 0, 1, *np.ravel(each), 0) for each in triangles)
    return b"\0" * 80 + struct.pack("<I", count) + body


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


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_meshes_are_refused_with_the_reason(kind: str) -> None:
    data, reason = BROKEN[kind]
    with pytest.raises(BadItem, match=reason):
        decode(data)


def test_a_mesh_is_no_scan() -> None:
    with pytest.raises(BadItem, match=r"has no gray values: set data\.values: occupancy"):
        decode(STL, values="gray")


def test_a_non_manifold_mesh_is_filled_all_the_same() -> None:
    fin = trimesh.Trimesh(np.vstack([BOX.vertices, [[3, 0, 0]]]), np.vstack([BOX.faces, [[0, 1, 8]]]), process=False)
    item = decode(export(fin, "off"))
    assert (item.facts["open"], item.facts["inside"] > 0.2) == (1, True)
