"""Volumes: the medium's contract, answered for cubes of voxels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.items import ItemSpec
from pipeline.media.base import BuiltinSource, Medium
from pipeline.media.codec import Bounds, Encoded, Fact, Item
from pipeline.media.volume import validation
from pipeline.media.volume.settings import VolumeSettings

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from PIL import Image

    from pipeline.arrays import Float32Array, Float64Array, Items
    from pipeline.measure import Measure
    from pipeline.media.profiles import Profile
    from pipeline.media.tensors import Tensors
    from pipeline.media.validation import Defect, Expectation
    from pipeline.media.volume.settings import Axis
    from pipeline.media.volume.volume_file import Grid

SOLIDS = "solids"
MIDDLE = 128
"""The smallest stored value of an occupied voxel."""


class VolumeMedium(Medium):
    """Voxels as uint8 [x, y, z], folded: the last axis takes the place of channels. Occupancy is 0 or 255."""

    name = "volume"
    noun = "volume"
    file_types = "voxel grids (.npy, .npz, .binvox), meshes (.off, .stl, .obj, .ply), scans (.nii, a .zip of DICOM)"
    example_file = "chair.npy"
    suffixes = frozenset(
        {*(".npy", ".npz", ".binvox"), *(".off", ".stl", ".obj", ".ply"), *(".nii", ".gz", ".zip", ".dcm")}
    )
    formats = {  # noqa: RUF012
        ".npy": "application/octet-stream",
        ".binvox": "application/octet-stream",
        ".stl": "model/stl",
        ".glb": "model/gltf-binary",
    }
    Settings = VolumeSettings
    Validation = validation.VolumeValidation
    facts = (
        Fact("shape", "string"),
        Fact("occupancy", "float64"),
        Fact("pieces", "int32"),
        Fact("soft_share", "float64"),
        Fact("enlarged", "int32"),
        Fact("open", "int32"),
        Fact("inside", "float64"),
    )
    sources = (SOLIDS,)
    flips = True
    augmentations = frozenset({"turns"})
    input = "volume"
    output = "volumes"

    def spec(self, settings: VolumeSettings, classes: tuple[str, ...]) -> ItemSpec:
        """Return a cube of voxels."""
        side = settings.resolution
        details: dict[str, Any] = {"values": settings.values, "up": settings.up}
        if settings.source == SOLIDS:
            details["solids"] = True
        if settings.values == "gray" and settings.range is not None:
            details["range"] = list(settings.range)
        return ItemSpec(medium=self.name, height=side, width=side, channels=side, classes=classes, details=details)

    def kind(self, spec: ItemSpec) -> str:
        """Return "solid" or "gray volume"."""
        return "solid" if spec.binary else "gray volume"

    def extent(self, height: int, width: int) -> str:
        """Return the size of a cube in voxels."""
        return f"{height} x {width} x {height} voxels"

    def decode(self, data: bytes, settings: VolumeSettings) -> Iterator[Item]:
        """Yield the volumes of a file."""
        from pipeline.media.volume.volume_file import read_volumes

        for grid in read_volumes(data, settings):
            yield make_item(grid, settings)

    def with_range(self, settings: VolumeSettings, bounds: Sequence[Bounds]) -> VolumeSettings:
        """Return settings with the range of all gray files."""
        from pipeline.media.volume.voxel_grid import find_range

        if settings.range is not None or not bounds:
            return settings
        whole = all(each.whole for each in bounds)
        total = Bounds(min(each.low for each in bounds), max(each.high for each in bounds), whole)
        return settings.model_copy(update={"range": find_range(total)})

    def with_details(self, settings: VolumeSettings, spec: ItemSpec) -> VolumeSettings:
        """Return settings with the range of a data set."""
        stated: Any = spec.details.get("range")
        return settings if stated is None else settings.model_copy(update={"range": tuple(stated)})

    def encode(self, values: Items, spec: ItemSpec, suffix: str | None = None) -> Encoded:
        """Return an array of 0 and 1 (gray: levels), runs of voxels, or the surface as triangles."""
        suffix = suffix or next(iter(self.formats))
        return Encoded(encode_volume(values, spec, suffix), self.formats[suffix], suffix)

    def preview(self, batch: Items, spec: ItemSpec, columns: int | None = None, cell: int = 64) -> Image.Image:
        """Draw the volumes in perspective on one sheet, shaded; of gray ones the largest value along each ray."""
        from pipeline.media.sheet import grid
        from pipeline.media.volume.renderer import render

        return grid(render(batch, up_axis(spec), cell, solid=spec.binary), columns, cell)

    def html(self, values: Items, spec: ItemSpec) -> str:
        """Return a picture that turns; its voxels are part of the element, so that a page can turn it by hand."""
        from pipeline.media.volume.turntable import turning_element

        return turning_element(values, up_axis(spec), solid=spec.binary)

    def appearance(self) -> Sequence[Measure[Any]]:
        """Return the measures of occupancy, surface, pieces, holes and symmetry, and of sets by IoU."""
        from pipeline.media.volume.measures import MEASURES

        return MEASURES

    def statistics(self, values: Items, spec: ItemSpec) -> Mapping[str, Float64Array]:
        """Return occupancy, surface and symmetry of each volume."""
        from pipeline.media.volume.statistics import statistics

        return statistics(values)

    def profiles(self, spec: ItemSpec) -> Sequence[Profile]:
        """Return the mean volume, and of solids the shares with loose parts, dust, cavities or nothing."""
        from pipeline.media.volume.profiles import profiles

        return profiles(spec)

    def lacks(self, spec: ItemSpec) -> frozenset[str]:
        """Return "solid" for gray volumes, and "solids" for all but the built-in ones."""
        from pipeline.media.volume.profiles import lacks

        return lacks(spec)

    def distances(self, first: Items, second: Items, spec: ItemSpec) -> Float32Array | None:
        """Return 1 - intersection over union of solids."""
        from pipeline.media.volume.statistics import distances

        return distances(first, second) if spec.binary else None

    def open_source(self, name: str, settings: Any, cache: Path) -> BuiltinSource | None:
        """Open the built-in solids."""
        if name != SOLIDS:
            return None
        from pipeline.media.volume.solids import Solids

        return Solids(settings.resolution)

    def defects(self, items: pd.DataFrame, settings: Any, pairs: str) -> list[Defect]:
        """Return the empty and the full volumes."""
        return validation.defects(items, settings)

    def expectations(self, items: pd.DataFrame, accepted: pd.DataFrame, settings: Any) -> list[Expectation]:
        """Return the expectations on occupancy, pieces, values and sizes."""
        return validation.expectations(items, settings)

    def measurements(self, accepted: pd.DataFrame, pairs: str) -> dict[str, float | None]:
        """Return means over the accepted volumes."""
        return validation.measurements(accepted)

    def from_network(self, values: Float32Array, spec: ItemSpec) -> Items:
        """Return an ONNX graph's output [n, D, H, W] as items: what is positive is occupied; gray values as levels."""
        if not spec.binary:
            return super().from_network(values, spec)
        with np.errstate(invalid="ignore"):
            return np.where(values > 0, np.uint8(255), np.uint8(0)).transpose(0, 2, 3, 1)

    def rounding(self, spec: ItemSpec) -> str:
        """Return the threshold of solids, or how gray values are rounded."""
        return "x > 0" if spec.binary else super().rounding(spec)

    def code_to_items(self, spec: ItemSpec, name: str) -> str:
        """Return numpy code that does the same."""
        return f"np.uint8(255) * ({name} > 0)" if spec.binary else super().code_to_items(spec, name)

    def tensors(self, spec: ItemSpec) -> Tensors:
        """Return the torch part."""
        from pipeline.media.volume.tensors import VolumeTensors

        return VolumeTensors(spec)


def up_axis(spec: ItemSpec) -> Axis:
    """Return the axis that points up."""
    value: Any = spec.details.get("up", "z")
    return value  # type: ignore[no-any-return]


def make_item(grid: Grid, settings: VolumeSettings) -> Item:
    """Return a volume as an item with its facts. Raise BadItem for voxels that are not finite."""
    from pipeline.media.volume import voxel_grid
    from pipeline.media.volume.pieces import count_pieces

    values = grid.values
    voxel_grid.check_finite(values)
    bounds = None
    if settings.values == "occupancy":
        cube = voxel_grid.occupancy(values, settings)
    else:
        found = Bounds(float(values.min()), float(values.max()), values.dtype.kind != "f")
        cube = voxel_grid.levels(values, settings, found)
        bounds = None if settings.range is not None else found
    occupied = cube >= MIDDLE
    facts: dict[str, float | int | str] = {
        "shape": grid.shape,
        "occupancy": float(occupied.mean()),
        "pieces": int(count_pieces(occupied[None])[0]),
        "soft_share": voxel_grid.soft_share(values) if settings.values == "occupancy" else 0.0,
        "enlarged": int(max(values.shape) < settings.resolution),
        "open": int(grid.open),
        "inside": grid.inside,
    }
    return Item(cube, facts, bounds)


def encode_volume(values: Items, spec: ItemSpec, suffix: str) -> bytes:
    """Return an item [H, W, D] as a file of the format of a suffix."""
    from pipeline.media.volume.array_file import write_npy
    from pipeline.media.volume.binvox import write_binvox

    if suffix == ".npy":
        return write_npy((values >= MIDDLE).astype(np.uint8) if spec.binary else values)
    if suffix == ".binvox":
        return write_binvox(values >= MIDDLE)
    from pipeline.media.volume.mesh_writer import write_glb, write_stl
    from pipeline.media.volume.surface import find_surface

    mesh = find_surface(values, up_axis(spec))
    return write_stl(mesh, max(values.shape)) if suffix == ".stl" else write_glb(mesh)
