"""Settings of `data:` for volumes."""

from typing import Any, Literal

from pydantic import Field, field_validator

from pipeline.items import DataLayout
from pipeline.media.settings import DataSettings, Limits

Resize = Literal["max", "nearest", "mean"]
Axis = Literal["x", "y", "z"]
SMALLEST, LARGEST = 4, 128
"""Bounds of a stored volume's side, in voxels."""


class VolumeLimits(Limits):
    """The largest volume that is accepted."""

    voxels: int = Field(
        2**27, ge=1, description="voxels of one file; larger ones are refused by their header, before decoding"
    )
    triangles: int = Field(1_000_000, ge=1, description="triangles of a mesh")


class VolumeSettings(DataSettings):
    """How voxel grids are brought to one size."""

    medium: Literal["volume"] = Field("volume", description="what one item is")
    source: str = Field("solids", min_length=1, description="solids | a folder | a .zip or .tar(.gz) | s3://...")
    resolution: int = Field(
        16, ge=SMALLEST, le=LARGEST, description="side of an item in voxels; most variants need a power of two"
    )
    values: Literal["occupancy", "gray"] = Field(
        "occupancy", description="what a voxel holds: occupied or not (solids), or a gray value (scans)"
    )
    threshold: float = Field(
        0.5,
        description="values above it are occupied; 0.5 for 0 and 1 or 0 and 255, 0 for values from -1 to 1",
    )
    range: tuple[float, float] | None = Field(
        None, description="values of gray volumes that are black and white; null: one range, found from all files"
    )
    resize: Resize | None = Field(
        None,
        description="how voxels are merged. max: occupied if any part is; nearest: the voxel in the middle; mean: the "
        "average. null: max for occupancy, mean for gray",
    )
    up: Axis = Field("z", description="axis of the files that points up; only pictures and meshes use it")
    pairs: Literal["none"] = Field("none", description="how pairs A and B are formed: none")
    limits: VolumeLimits = Field(VolumeLimits(), description="largest input that is accepted")

    @field_validator("range")
    @classmethod
    def check_range(cls, value: Any) -> Any:
        if value is not None and not value[0] < value[1]:
            raise ValueError(f"[{value[0]:g}, {value[1]:g}] must be two numbers, the smaller first")
        return value

    @property
    def merge(self) -> Resize:
        """How voxels are merged."""
        return self.resize or ("max" if self.values == "occupancy" else "mean")

    def layout(self) -> DataLayout:
        side = self.resolution
        return DataLayout(height=side, width=side, depth=side, classes=self.classes)
