"""Expectations on clips: whether anything moves, and whether frames are repeated or enlarged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.media.validation import (
    QUARANTINE,
    Bound,
    Defect,
    Expectation,
    ValidationSettings,
    counted,
    details_of,
    share_expectation,
)

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]


class VideoValidation(ValidationSettings):
    """Thresholds of the expectations on clips."""

    constant_std: float = Field(
        default=0.005,
        ge=0,
        le=1,
        description="an item whose pixels' standard deviation (0..1) is below this shows nothing",
    )
    max_constant_share: Bound = Field(
        default=Bound(limit=0.01, severity="warning"),
        description="share of items that show nothing; these are set aside",
    )
    max_still_share: Bound = Field(
        default=Bound(limit=0.01, severity="warning"),
        description="share of items whose frames are all equal; they are set aside",
    )
    max_repeated_share: Bound = Field(
        default=Bound(limit=0.05, severity="warning"),
        description="share of items in which more than half of the frames repeat the one before",
    )
    max_slow_share: Bound = Field(
        default=Bound(limit=0.05, severity="warning"),
        description="share of items from clips with fewer frames a second than data.frame_rate",
    )
    max_enlarged_share: Bound = Field(
        default=Bound(limit=0.05, severity="warning"),
        description="share of items from frames with fewer pixels than data.resolution",
    )


def defects(items: pd.DataFrame, settings: VideoValidation) -> list[Defect]:
    """Return the items that show nothing, and those in which nothing moves."""
    constant = items["std"] < settings.constant_std
    still = ~constant & (items["repeated_share"] >= 1)
    return [
        Defect(
            "near_constant",
            "constant_share",
            constant,
            details_of(items, constant, "standard deviation {:.4f}".format, "std"),
            settings.max_constant_share.severity,
        ),
        Defect(
            "still",
            "still_share",
            still,
            details_of(items, still, "{}, {:.0f} frames".format, "kind", "clip_frames"),
            settings.max_still_share.severity,
        ),
    ]


def expectations(items: pd.DataFrame, settings: VideoValidation) -> list[Expectation]:
    """Return the expectations on decoded items."""
    if not len(items):
        return []
    constant, still, repeated = settings.max_constant_share, settings.max_still_share, settings.max_repeated_share
    slow, enlarged = settings.max_slow_share, settings.max_enlarged_share
    most = 0.999
    expected = [
        share_expectation(
            "max_constant_share",
            {"column": "std", "min_value": settings.constant_std},
            constant,
            f"{counted(items['std'] < settings.constant_std)} items show nothing (standard deviation below "
            f"validate.constant_std {settings.constant_std:g}), over validate.max_constant_share.limit "
            f"{constant.limit:g}; {QUARANTINE}: fix the source, or raise the limit",
        ),
        share_expectation(
            "max_still_share",
            {"column": "repeated_share", "max_value": most},
            still,
            f"in {counted(items['repeated_share'] > most)} items nothing moves, over validate.max_still_share.limit "
            f"{still.limit:g}; {QUARANTINE}: fix the source, or raise the limit",
        ),
        share_expectation(
            "max_repeated_share",
            {"column": "repeated_share", "max_value": 0.5},
            repeated,
            f"{counted(items['repeated_share'] > 0.5)} items repeat more than half of their frames, over "
            f"validate.max_repeated_share.limit {repeated.limit:g}: lower data.frame_rate or raise data.every, or "
            "raise the limit",
        ),
        share_expectation(
            "max_enlarged_share",
            {"column": "enlarged", "max_value": 1},
            enlarged,
            f"{counted(items['enlarged'] > 1)} items come from frames smaller than data.resolution, down to "
            f"{items['width'].min():.0f} x {items['height'].min():.0f} pixels, over "
            f"validate.max_enlarged_share.limit {enlarged.limit:g}: lower data.resolution, or raise the limit",
        ),
    ]
    if items["rate_share"].notna().any():
        stated = items[items["rate_share"].notna()]
        expected.append(
            share_expectation(
                "max_slow_share",
                {"column": "rate_share", "min_value": most},
                slow,
                f"{counted(stated['rate_share'] < most)} items come from clips with fewer frames a second than "
                f"data.frame_rate, down to {stated['rate'].min():g}, over validate.max_slow_share.limit "
                f"{slow.limit:g}: their frames are repeated; lower data.frame_rate, or raise the limit",
            )
        )
    return expected


def measurements(accepted: pd.DataFrame) -> dict[str, float | None]:
    """Return means over the accepted items: brightness and motion, 0..1."""
    if not len(accepted):
        return {"pixel_mean": None, "motion_mean": None}
    return {"pixel_mean": float(accepted["mean"].mean()), "motion_mean": float(accepted["motion"].mean())}
