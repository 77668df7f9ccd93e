"""Expectations on recordings: their level, their rate, and how much of an item is padding."""

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

CLIPPED = 0.001
"""Share of samples at full scale from which a recording counts as clipped."""


class AudioValidation(ValidationSettings):
    """Thresholds of the expectations on recordings."""

    silent_db: float = Field(
        default=-60, le=0, description="an item whose mean power is below this (decibels of full scale) is silent"
    )
    max_silent_share: Bound = Field(
        default=Bound(limit=0.01, severity="warning"), description="share of silent items; they are set aside"
    )
    max_clipped_share: Bound = Field(
        default=Bound(limit=0.05, severity="warning"),
        description="share of items from recordings that are clipped, or of floats above full scale",
    )
    offset: float = Field(default=0.02, ge=0, description="constant offset, of full scale, that is worth knowing of")
    max_offset_share: Bound = Field(
        default=Bound(limit=0.05, severity="warning"),
        description="share of items from recordings with such an offset; it is removed",
    )
    max_upsampled_share: Bound = Field(
        default=Bound(limit=0.05, severity="warning"),
        description="share of items from recordings with a lower sample rate than data.sample_rate",
    )
    max_padded_share: Bound = Field(
        default=Bound(limit=0.25, severity="warning"), description="share of items more than half of which is padding"
    )


def defects(items: pd.DataFrame, settings: AudioValidation) -> list[Defect]:
    """Return the silent items."""
    silent = items["level_db"] < settings.silent_db
    return [
        Defect(
            "silent",
            "silent_share",
            silent,
            details_of(items, silent, describe_silence, "level_db", "offset"),
            settings.max_silent_share.severity,
        )
    ]


def describe_silence(level: float, offset: float) -> str:
    """Return how quiet an item is, and whether there was nothing but a constant offset."""
    return f"{level:.0f} dB" + (f" next to a constant offset of {offset:.3g}" if offset > 0.001 else "")


def expectations(items: pd.DataFrame, settings: AudioValidation) -> list[Expectation]:
    """Return the expectations on decoded items."""
    silent, clipped, offset = settings.max_silent_share, settings.max_clipped_share, settings.max_offset_share
    padded = settings.max_padded_share
    expected = [
        share_expectation(
            "max_silent_share",
            {"column": "level_db", "min_value": settings.silent_db},
            silent,
            f"{counted(items['level_db'] < settings.silent_db)} items are silent (below validate.silent_db "
            f"{settings.silent_db:g} dB), over validate.max_silent_share.limit {silent.limit:g}; {QUARANTINE}: fix the "
            "source, set data.trim, or raise the limit",
        ),
        share_expectation(
            "max_clipped_share",
            {"column": "clipped_share", "max_value": CLIPPED},
            clipped,
            f"{counted(items['clipped_share'] > CLIPPED)} items come from recordings that are clipped or exceed full "
            f"scale, over validate.max_clipped_share.limit {clipped.limit:g}: record them again at a lower level, or "
            "raise the limit",
        ),
        share_expectation(
            "max_offset_share",
            {"column": "offset", "max_value": settings.offset},
            offset,
            f"{counted(items['offset'] > settings.offset)} items come from recordings with a constant offset above "
            f"validate.offset {settings.offset:g}, over validate.max_offset_share.limit {offset.limit:g}; it is "
            "removed: check how their samples are stored, or raise the limit",
        ),
        share_expectation(
            "max_padded_share",
            {"column": "padded_share", "max_value": 0.5},
            padded,
            f"{counted(items['padded_share'] > 0.5)} items are padding by more than half, over "
            f"validate.max_padded_share.limit {padded.limit:g}: lower data.seconds, or raise the limit",
        ),
    ]
    slow = settings.max_upsampled_share
    expected.append(
        share_expectation(
            "max_upsampled_share",
            {"column": "rate_share", "min_value": 1},
            slow,
            f"{counted(items['rate_share'] < 1)} items come from recordings with a lower sample rate than "
            f"data.sample_rate, down to {items['rate'].min():,.0f} Hz, over validate.max_upsampled_share.limit "
            f"{slow.limit:g}: they lack high frequencies; lower data.sample_rate, or raise the limit",
        )
    )
    return expected


def measurements(accepted: pd.DataFrame) -> dict[str, float | None]:
    """Return the length of the accepted items without padding, in seconds, and their mean level."""
    if not len(accepted):
        return {"padded_share_mean": None, "level_db_mean": None}
    return {
        "padded_share_mean": float(accepted["padded_share"].mean()),
        "level_db_mean": float(accepted["level_db"].mean()),
    }
