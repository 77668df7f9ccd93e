"""Volumes as a medium: sizes, files, pictures and tensors of items, and the facts that are checked."""

import io
import json
import struct
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import torch
from PIL import Image

from pipeline.arrays import Items
from pipeline.media.registry import MEDIA, tensors_of
from pipeline.media.validation import ValidationSettings
from pipeline.media.volume.pieces import count_pieces, euler_numbers
from pipeline.media.volume.solids import CLASSES, draw_solid, recognise
from pipeline.media.volume.surface import find_surface
from tests.media.volume.voxel_files import corner_shape, npy

VOLUME: Any = MEDIA["volume"]
SETTINGS: Any = VOLUME.Settings()
SPEC = VOLUME.spec(SETTINGS, CLASSES)
GRAY: Any = VOLUME.Settings(source="x", values="gray", resolution=4)


def solids(each: int, side: int = 16) -> Items:
    drawn = [draw_solid(name, side, np.random.default_rng(k)) for name in CLASSES for k in range(each)]
    return np.stack(drawn) * np.uint8(255)


def decode(values: Any, **settings: Any) -> Any:
    (item,) = VOLUME.decode(npy(values), VOLUME.Settings(source="x", **{"resolution": 4, **settings}))
    return item


# --- sizes and values ---


def test_smaller_and_larger_grids_are_fitted() -> None:
    small, large = corner_shape(), corner_shape().repeat(3, 0).repeat(3, 1).repeat(3, 2)
    for resize in ("max", "nearest", "mean"):
        assert (decode(large, resize=resize).values == small * np.uint8(255)).all()
    doubled = decode(small, resolution=8)
    assert (doubled.values == small.repeat(2, 0).repeat(2, 1).repeat(2, 2) * np.uint8(255)).all()
    assert (doubled.facts["enlarged"], decode(large).facts["enlarged"]) == (1, 0)


def test_a_thin_part_survives_max_and_not_mean() -> None:
    rod = np.zeros((16, 16, 16), dtype=np.uint8)
    rod[5, 5] = 1
    assert decode(rod, resize="max").values.any()
    assert not decode(rod, resize="mean").values.any()


def test_any_ratio_of_sides_keeps_every_voxel() -> None:
    for side in (5, 7, 9, 11):
        for place in range(side):
            point = np.zeros((side,) * 3, dtype=np.uint8)
            point[place, 0, side - 1] = 1
            assert decode(point).values.any()


def test_other_shapes_are_padded_and_not_stretched() -> None:
    flat = decode(np.ones((8, 4, 2)), resolution=8)
    assert flat.values.any(axis=(1, 2)).sum() == 8
    assert (np.flatnonzero(flat.values.any(axis=(0, 2))) == [2, 3, 4, 5]).all()
    assert (np.flatnonzero(flat.values.any(axis=(0, 1))) == [3, 4]).all()


@pytest.mark.parametrize(("values", "threshold"), [((0, 1), 0.5), ((0, 255), 0.5), ((-1, 1), 0.0), ((0.2, 0.9), 0.5)])
def test_the_threshold_decides_what_is_occupied(values: tuple[float, float], threshold: float) -> None:
    grid = np.where(corner_shape(), values[1], values[0])
    item = decode(grid, threshold=threshold)
    assert (item.values == corner_shape() * np.uint8(255)).all()
    assert item.facts["soft_share"] == 0


def test_values_in_between_are_counted() -> None:
    assert decode(np.linspace(0, 1, 64).reshape(4, 4, 4)).facts["soft_share"] == pytest.approx(62 / 64)


def test_gray_volumes_have_one_range_for_all_files() -> None:
    scans = [np.full((4, 4, 4), low, dtype=np.int16) for low in (-1000, 400)]
    bounds = [next(VOLUME.decode(npy(scan), GRAY)).bounds for scan in scans]
    ranged = VOLUME.with_range(GRAY, [bounds[0].union(bounds[1])])
    assert ranged.range == (-1000, 400)
    assert [next(VOLUME.decode(npy(scan), ranged)).values[0, 0, 0] for scan in scans] == [0, 255]
    spec = VOLUME.spec(ranged, ())
    assert VOLUME.with_details(GRAY, spec).range == (-1000, 400)
    assert VOLUME.with_range(ranged, [bounds[0]]) == ranged


# --- facts ---


def facts_of(*items: Any) -> pd.DataFrame:
    return pd.DataFrame([item.facts for item in items])


def test_empty_and_full_volumes_are_set_aside() -> None:
    items = facts_of(decode(np.zeros((4, 4, 4))), decode(np.ones((4, 4, 4))), decode(corner_shape()))
    found = {each.reason: each.rows.tolist() for each in VOLUME.defects(items, VOLUME.Validation(), "none")}
    assert found == {"empty": [True, False, False], "full": [False, True, False], "open_mesh": [False] * 3}
    messages = {each.key: each.message for each in VOLUME.expectations(items, items, VOLUME.Validation())}
    assert "1 items are empty" in messages["max_empty_share"]
    assert set(messages) == set(VOLUME.Validation.model_fields) - set(ValidationSettings.model_fields)


def test_pieces_and_holes_are_counted() -> None:
    grid = np.zeros((4, 6, 6, 6), dtype=bool)
    grid[1, 0, 0, 0] = grid[1, 1, 1, 1] = True  # they share a corner
    grid[2, 0, 0, 0] = grid[2, 2, 0, 0] = grid[2, 5, 5, 5] = True
    grid[3, 1:4, 1:4, 1:4] = True
    grid[3, 2, 2, 1:4] = False  # a tunnel
    assert count_pieces(grid).tolist() == [0, 1, 3, 1]
    assert euler_numbers(grid).tolist() == [0, 1, 3, 0]
    grid[3, 2, 2, 3] = grid[3, 2, 2, 1] = True  # now a cavity
    assert euler_numbers(grid)[3] == 2


# --- solids with a known truth ---


@pytest.mark.parametrize("side", [16, 32])
def test_rules_know_the_class_of_every_solid(side: int) -> None:
    each = 40 if side == 16 else 6
    found = Counter(zip(np.repeat(CLASSES, each).tolist(), recognise(solids(each, side)), strict=True))
    right = sum(found[name, name] for name in CLASSES)
    assert right >= 0.98 * each * len(CLASSES), found


def test_rules_refuse_what_is_none_of_them() -> None:
    noise = (np.random.default_rng(0).random((1, 16, 16, 16)) < 0.3) * np.uint8(255)
    torn = solids(1)
    torn[:, 8] = 0
    assert recognise(noise) == recognise(np.zeros_like(noise)) == [""]
    assert recognise(torn)[:3] == ["", "", ""]


def test_the_built_in_source_is_always_the_same() -> None:
    files = dict(VOLUME.open_source("solids", SETTINGS, None).files())
    assert Counter(name.split("/")[0] for name in files) == dict.fromkeys(CLASSES, 600)
    (item,) = VOLUME.decode(files["table/0007.npy"](), SETTINGS)
    assert recognise(item.values[None]) == ["table"]
    assert files["table/0007.npy"]() == files["table/0007.npy"]()


# --- files ---


def test_encoded_volumes_decode_to_themselves() -> None:
    for values in solids(1):
        for suffix in (".npy", ".binvox"):
            file = VOLUME.encode(values, SPEC, suffix)
            (item,) = VOLUME.decode(file.data, SETTINGS)
            assert (item.values == values).all()
    gray = np.random.default_rng(0).integers(0, 256, (4, 4, 4), dtype=np.uint8)
    settings = GRAY.model_copy(update={"range": (0, 255)})
    file = VOLUME.encode(gray, VOLUME.spec(settings, ()))
    assert (next(VOLUME.decode(file.data, settings)).values == gray).all()


def read_stl(data: bytes) -> Any:
    """Return the triangles of a binary STL, [m, 3, 3]."""
    (count,) = struct.unpack_from("<I", data, 80)
    assert len(data) == 84 + 50 * count
    records = np.frombuffer(
        data, np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")]), count, 84
    )
    return records["corners"]


def signed_volume(triangles: Any) -> float:
    """Return the volume that triangles enclose; it is negative if they face inwards."""
    return float(np.linalg.det(triangles.astype(np.float64)).sum() / 6)


@pytest.mark.parametrize("up", ["x", "y", "z"])
def test_a_surface_is_closed_and_faces_outwards(up: Any) -> None:
    for solid in [*solids(1), np.full((4, 4, 4), 255, np.uint8), corner_shape() * np.uint8(255)]:
        mesh = find_surface(solid, up)
        edges = np.sort(mesh.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        _, counts = np.unique(edges, axis=0, return_counts=True)
        assert set(counts.tolist()) == {2}
        volume = signed_volume(mesh.corners[mesh.triangles]) * len(solid) ** 3
        assert 0.5 < volume / (solid > 0).sum() <= 1


def test_a_mesh_has_its_axes_where_the_voxels_have_them() -> None:
    spec = VOLUME.spec(VOLUME.Settings(source="x", resolution=4), ())
    corners = read_stl(VOLUME.encode(corner_shape() * np.uint8(255), spec, ".stl").data)
    assert corners.reshape(-1, 3).max(axis=0) == pytest.approx([4, 3, 2])
    assert corners.reshape(-1, 3).min(axis=0) == pytest.approx([0, 0, 0])


def test_a_glb_file_describes_its_buffers() -> None:
    data = VOLUME.encode(solids(1)[3], SPEC, ".glb").data
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack_from("<I4s", data, 12)
    scene = json.loads(data[20 : 20 + size])
    binary, what = struct.unpack_from("<I4s", data, 20 + size)
    assert (kind, what, 28 + size + binary) == (b"JSON", b"BIN\0", len(data))
    ends = [view["byteOffset"] + view["byteLength"] for view in scene["bufferViews"]]
    assert ends[-1] == scene["buffers"][0]["byteLength"] <= binary
    content = data[28 + size :]
    points = np.frombuffer(content, "<f4", scene["accessors"][0]["count"] * 3).reshape(-1, 3)
    assert points.min(axis=0).tolist() == scene["accessors"][0]["min"]
    start = scene["bufferViews"][2]["byteOffset"]
    triangles = np.frombuffer(content, "<u4", scene["accessors"][2]["count"], start).reshape(-1, 3)
    assert signed_volume(points[triangles]) > 0
    table = points[:, 1]
    assert table.max() - table.min() > 0.4  # y points up


def test_an_empty_volume_is_a_file_without_triangles() -> None:
    empty = np.zeros((16, 16, 16), dtype=np.uint8)
    assert len(read_stl(VOLUME.encode(empty, SPEC, ".stl").data)) == 0
    assert b'"nodes":[]' in VOLUME.encode(empty, SPEC, ".glb").data
    assert "data-voxels" in VOLUME.html(empty, SPEC)


# --- pictures ---


def test_a_picture_shows_which_way_is_up() -> None:
    table = solids(1)[3]
    for up, axes in (("z", (0, 1, 2)), ("y", (1, 2, 0)), ("x", (2, 0, 1))):
        spec = VOLUME.spec(VOLUME.Settings(source="x", up=up), ())
        sheet = np.asarray(VOLUME.preview(table.transpose(axes)[None], spec))
        drawn = sheet < 255
        assert drawn[: len(drawn) // 2].sum() > 1.2 * drawn[len(drawn) // 2 :].sum()


def test_gray_volumes_are_projected() -> None:
    spec = VOLUME.spec(GRAY, ())
    dim, bright = (np.full((1, 4, 4, 4), level, np.uint8) for level in (60, 200))
    assert np.asarray(VOLUME.preview(dim, spec)).min() == 195
    assert np.asarray(VOLUME.preview(bright, spec)).min() == 55


def test_an_element_turns_and_holds_the_voxels() -> None:
    import base64
    import re

    values = corner_shape() * np.uint8(255)
    spec = VOLUME.spec(VOLUME.Settings(source="x", resolution=4), ())
    html = VOLUME.html(values, spec)
    found = re.search(r'data-sides="4 4 4" data-voxels="([^"]*)".*base64,([^"]*)"', html)
    assert found is not None
    bits = np.unpackbits(np.frombuffer(base64.b64decode(found[1]), np.uint8))
    assert (bits.reshape(4, 4, 4) == corner_shape()).all()
    picture: Any = Image.open(io.BytesIO(base64.b64decode(found[2])))
    assert picture.n_frames == 16


# --- tensors ---


def test_both_ways_to_networks_agree() -> None:
    batch, tensors = solids(1), tensors_of(SPEC)
    maps = tensors.to_network(torch.from_numpy(batch))
    assert maps.shape == (4, 16, 16, 16)
    assert (maps.numpy() == VOLUME.to_network(batch, SPEC)).all()
    soft = maps * torch.rand(maps.shape, generator=torch.Generator().manual_seed(0))
    soft[0, 0, 0, :3] = torch.tensor([0.0, float("nan"), -0.0])
    assert (tensors.from_network(soft) == VOLUME.from_network(soft.numpy(), SPEC)).all()
    assert (tensors.from_network(maps) == batch).all()
    code = VOLUME.code_to_items(SPEC, "volumes")
    assert (eval(code, {"np": np, "volumes": maps.numpy()}) == batch.transpose(0, 3, 1, 2)).all()


@pytest.mark.parametrize("side", [4, 8, 12, 32])
def test_networks_of_the_evaluation_take_any_side(side: int) -> None:
    spec = VOLUME.spec(VOLUME.Settings(source="x", resolution=side), ("a", "b"))
    tensors = tensors_of(spec)
    values = tensors.to_features(torch.randint(0, 2, (3, side, side, side), dtype=torch.uint8) * 255)
    rng = torch.Generator().manual_seed(0)
    for view in (values, tensors.shift(values, rng), tensors.distort(values, rng)):
        assert view.shape == values.shape
        for network in (tensors.classifier_body(), tensors.random_network()):
            assert network is not None
            assert torch.isfinite(network.eval()(view)).all()


def test_a_shift_moves_a_volume_as_a_whole() -> None:
    tensors = tensors_of(SPEC)
    values = tensors.to_features(torch.from_numpy(solids(4)))
    moved = tensors.shift(values, torch.Generator().manual_seed(0))
    assert (moved != values).any()
    sums = values.flatten(1).sum(1), moved.flatten(1).sum(1)
    assert torch.equal(*sums)
