"""Meshes as solids: all types, filled from outside, whatever their normals; broken ones are refused with the reason."""

from typing import Any

import numpy as np
import pytest

from pipeline.media.codec import BadItem
from pipeline.media.registry import MEDIA
from pipeline.media.volume.mesh_file import Mesh, find_type, to_voxels
from pipeline.media.volume.pieces import euler_numbers
from pipeline.media.volume.settings import VolumeLimits

trimesh: Any = pytest.importorskip("trimesh", reason="meshes need trimesh: pip install 'ganline[solids]'")

from tests.media.volume.broken_meshes import BOX, BROKEN, OFF, STL, export  # noqa: E402 - needs trimesh

VOLUME: Any = MEDIA["volume"]
SETTINGS: Any = VOLUME.Settings(source="x", limits=VolumeLimits(triangles=5000))
KINDS = ("off", "stl", "stl_ascii", "obj", "ply")


def decode(data: bytes, **settings: Any) -> Any:
    (item,) = VOLUME.decode(data, SETTINGS.model_copy(update=settings))
    return item


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
