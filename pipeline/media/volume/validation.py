"""Expectations on volumes: what is occupied, in how many pieces, and how well the files fit the grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.media.validation import QUARANTINE, Bound, Defect, Expectation, ValidationSettings, details_of

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

HOLLOW = 0.02
"""Share of the cells of a solid inside its surface below which it is a shell."""


class VolumeValidation(ValidationSettings):
    """Thresholds of the expectations on volumes."""

    max_empty_share: Bound = Field(
        default=Bound(limit=0.05, severity="warning"),
        description="share of items without an occupied voxel; they are set aside",
    )
    max_full_share: Bound = Field(
        default=Bound(limit=0.05, severity="warning"),
        description="share of items without an empty voxel; they are set aside",
    )
    max_soft_share: Bound = Field(
        default=Bound(limit=0.05, severity="warning"),
        description="mean share of voxels between the lowest and the highest value of their file (occupancy only): "
        "data.threshold decides about them",
    )
    max_loose_share: Bound = Field(
        default=Bound(limit=0.25, severity="warning"), description="share of items in more than one piece"
    )
    max_open_share: Bound = Field(
        default=Bound(limit=0.05, severity="warning"),
        description="share of items from meshes whose surface has holes; those that could not be filled are set aside",
    )
    max_enlarged_share: Bound = Field(
        default=Bound(limit=0.05, severity="warning"),
        description="share of items from files with fewer voxels along each side than data.resolution",
    )


def defects(items: pd.DataFrame, settings: VolumeValidation) -> list[Defect]:
    """Return the empty and the full items."""

    def defect(name: str, rows: pd.Series, words: str, bound: Bound) -> Defect:
        details = details_of(items, rows, f"{words}: {{}}".format, "shape")
        return Defect(name, f"{name}_share", rows, details, bound.severity)

    return [
        defect("empty", items["occupancy"] <= 0, "no voxel is occupied", settings.max_empty_share),
        defect(
            "open_mesh",
            (items["open"] > 0) & (items["inside"] < HOLLOW),
            "the surface has holes, and nothing in it could be filled",
            settings.max_open_share,
        ),
        defect("full", items["occupancy"] >= 1, "all voxels are occupied", settings.max_full_share),
    ]


def expectations(items: pd.DataFrame, settings: VolumeValidation) -> list[Expectation]:
    """Return the expectations on decoded volumes."""
    if not len(items):
        return []
    empty, full, holes, loose, enlarged = (
        settings.max_empty_share,
        settings.max_full_share,
        settings.max_open_share,
        settings.max_loose_share,
        settings.max_enlarged_share,
    )
    found = [
        share(
            "max_empty_share",
            {"column": "occupancy", "min_value": 0, "strict_min": True},
            empty,
            f"{(items['occupancy'] <= 0).sum()} items are empty, over validate.max_empty_share.limit {empty.limit:g}; "
            f"{QUARANTINE}: look at data.threshold",
        ),
        share(
            "max_full_share",
            {"column": "occupancy", "max_value": 1, "strict_max": True},
            full,
            f"{(items['occupancy'] >= 1).sum()} items are full, over validate.max_full_share.limit {full.limit:g}; "
            f"{QUARANTINE}: look at data.threshold",
        ),
        share(
            "max_loose_share",
            {"column": "pieces", "max_value": 1},
            loose,
            f"{(items['pieces'] > 1).sum()} items have more than one piece, over validate.max_loose_share.limit "
            f"{loose.limit:g}: look for dust, or for a data.resolution that is too small",
        ),
        share(
            "max_open_share",
            {"column": "open", "max_value": 0},
            holes,
            f"{(items['open'] > 0).sum()} items come from meshes whose surface has holes, over "
            f"validate.max_open_share.limit {holes.limit:g}; {QUARANTINE} if nothing in them could be filled",
        ),
        share(
            "max_enlarged_share",
            {"column": "enlarged", "max_value": 0},
            enlarged,
            f"{(items['enlarged'] > 0).sum()} items come from files with fewer voxels than data.resolution, over "
            f"validate.max_enlarged_share.limit {enlarged.limit:g}",
        ),
    ]
    soft, mean = settings.max_soft_share, items["soft_share"].mean()
    return [
        *found,
        Expectation(
            "max_soft_share",
            "items",
            "ExpectColumnMeanToBeBetween",
            {"column": "soft_share", "max_value": soft.limit},
            soft.severity,
            f"{mean:.1%} of the voxels lie between the lowest and the highest value of their file, over "
            f"validate.max_soft_share.limit {soft.limit:g}: data.threshold decides about them; set "
            "data.values: gray for scans",
        ),
    ]


def share(key: str, arguments: dict[str, object], bound: Bound, message: str) -> Expectation:
    """Return an expectation that at most `bound.limit` of the items do not meet."""
    mostly = {"mostly": max(0.0, 1 - bound.limit)}
    return Expectation(key, "items", "ExpectColumnValuesToBeBetween", arguments | mostly, bound.severity, message)


def measurements(accepted: pd.DataFrame) -> dict[str, float | None]:
    """Return means over the accepted items."""
    columns = ("occupancy", "pieces", "soft_share")
    return {f"{name}_mean": float(accepted[name].mean()) if len(accepted) else None for name in columns}
