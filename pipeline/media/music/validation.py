"""Expectations on music: what the grid loses, rests, and how files end their notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.media.validation import QUARANTINE, Bound, Defect, Expectation, ValidationSettings, details_of

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]


class MusicValidation(ValidationSettings):
    """Thresholds of the expectations on music."""

    max_rest_share: Bound = Field(
        default=Bound(limit=0.9, severity="warning"),
        description="share of rests in a window; windows with more are set aside",
    )
    max_lost_share: Bound = Field(
        default=Bound(limit=0.25, severity="warning"),
        description="mean share of notes that sound at no time step (raise data.steps_per_quarter)",
    )
    max_merged_share: Bound = Field(
        default=Bound(limit=0.25, severity="warning"),
        description="mean share of repeated notes, which become one long note",
    )
    max_stacked_share: Bound = Field(
        default=Bound(limit=0.1, severity="warning"),
        description="mean share of notes that are left out because their voice sounds a higher one",
    )
    max_hanging_share: Bound = Field(
        default=Bound(limit=0.01, severity="warning"),
        description="share of windows from files with notes that no event ends; they end with their track",
    )


def defects(items: pd.DataFrame, settings: MusicValidation) -> list[Defect]:
    """Return the windows that are mostly rests."""
    resting = items["rest_share"] > settings.max_rest_share.limit
    return [
        Defect(
            "mostly_rests",
            "mostly_rests_share",
            resting,
            details_of(items, resting, "{:.0%} rests".format, "rest_share"),
            settings.max_rest_share.severity,
        )
    ]


def expectations(items: pd.DataFrame, settings: MusicValidation) -> list[Expectation]:
    """Return the expectations on decoded windows."""
    if not len(items):
        return []
    rest, rows = settings.max_rest_share, int((items["rest_share"] > settings.max_rest_share.limit).sum())
    found = [
        Expectation(
            "max_rest_share",
            "items",
            "ExpectColumnValuesToBeBetween",
            {"column": "rest_share", "max_value": rest.limit},
            rest.severity,
            f"{rows} of {len(items)} windows have a larger share of rests than validate.max_rest_share.limit "
            f"{rest.limit:g}; {QUARANTINE}",
        )
    ]
    for column, bound, what, fix in (
        (
            "lost_share",
            settings.max_lost_share,
            "of the notes sound at no time step",
            "raise data.steps_per_quarter",
        ),
        (
            "merged_share",
            settings.max_merged_share,
            "of the notes repeat the one before, and became one long note with it",
            "a long note and repeated notes are the same on the grid",
        ),
        (
            "stacked_share",
            settings.max_stacked_share,
            "of the notes were left out because their voice sounds a higher one",
            "raise data.voices, with data.parts: pitch",
        ),
        (
            "hanging",
            settings.max_hanging_share,
            "of the windows come from files whose notes do not all end",
            "check how the files were recorded",
        ),
    ):
        name = "max_hanging_share" if column == "hanging" else f"max_{column}"
        found.append(
            Expectation(
                name,
                "items",
                "ExpectColumnMeanToBeBetween",
                {"column": column, "max_value": bound.limit},
                bound.severity,
                f"{items[column].mean():.1%} {what}, over validate.{name}.limit {bound.limit:g}: {fix}",
            )
        )
    return found


def measurements(accepted: pd.DataFrame) -> dict[str, float | None]:
    """Return means over the accepted windows."""
    columns = ("rest_share", "lost_share", "merged_share", "stacked_share", "pedalled_share", "tempo")
    return {f"{name}_mean": float(accepted[name].mean()) if len(accepted) else None for name in columns}
