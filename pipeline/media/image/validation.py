"""Expectations on images: their size, how they are stored, and whether they show anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from pipeline.media.validation import QUARANTINE, Bound, Defect, Expectation, Severity, ValidationSettings, details_of
from pipeline.settings import Settings

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]


class AllowedModes(Settings):
    """Pillow modes in which files are expected. Other modes are decoded too, through a conversion worth knowing of."""

    allowed: tuple[str, ...] = Field(
        ("1", "L", "LA", "P", "PA", "RGB", "RGBA"), description="Pillow modes that need no conversion to gray or RGB"
    )
    severity: Severity = Field("warning", description="what other modes cause")


class ImageValidation(ValidationSettings):
    """Thresholds of the expectations on images."""

    max_constant_share: Bound = Field(
        default=Bound(limit=0.01, severity="warning"), description="share of near-constant images; they are set aside"
    )
    min_side: Bound = Field(
        default=Bound(limit=1, severity="warning"),
        description="pixels of an image's shorter side; smaller images are set aside",
    )
    modes: AllowedModes = Field(
        default=AllowedModes(),
        description="modes in which files are stored (CMYK, 16-bit and float pictures are reported)",
    )
    constant_std: float = Field(
        default=0.005,
        ge=0,
        le=1,
        description="an image whose pixels' standard deviation (0..1) is below this is near-constant",
    )
    mean_range: tuple[float, float] = Field(
        default=(0.02, 0.98), description="where the mean of the accepted pixels (0..1) must lie; outside is a warning"
    )

    min_range_share: Bound = Field(
        default=Bound(limit=0.2, severity="warning"),
        description="part of data.range that the values of a typical file of more than 8 bits span (median)",
    )
    max_outside_share: Bound = Field(
        default=Bound(limit=0.001, severity="warning"),
        description="share of the values of such files that lie outside data.range and were clipped",
    )

    @field_validator("mean_range")
    @classmethod
    def check_order(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] <= value[1] <= 1:
            raise ValueError(f"{list(value)} must be two numbers between 0 and 1, the smaller first")
        return value


def defects(images: pd.DataFrame, settings: ImageValidation) -> list[Defect]:
    """Return the images that are too small or near-constant."""
    small, flat = images["side"] < settings.min_side.limit, images["std"] < settings.constant_std
    return [
        Defect(
            "too_small",
            "small_share",
            small,
            details_of(images, small, "{:.0f} x {:.0f} pixels".format, "width", "height"),
            settings.min_side.severity,
        ),
        Defect(
            "near_constant",
            "constant_share",
            flat,
            details_of(images, flat, "standard deviation {:.4f}".format, "std"),
            settings.max_constant_share.severity,
        ),
    ]


def measurements(accepted: pd.DataFrame, *, side_by_side: bool) -> dict[str, float | None]:
    """Return mean and standard deviation over all accepted pixels, 0..1."""
    if not len(accepted):
        return {"pixel_mean": None, "pixel_std": None}
    mean = float(accepted["mean"].mean())
    square = float((accepted["std"] ** 2 + accepted["mean"] ** 2).mean())
    # Of two pictures side by side only the standard deviation of the flatter one is known.
    return {"pixel_mean": mean, "pixel_std": None if side_by_side else max(0.0, square - mean * mean) ** 0.5}


def expectations(images: pd.DataFrame, accepted: pd.DataFrame, settings: ImageValidation) -> list[Expectation]:
    """Return the expectations on decoded and accepted images."""
    total = len(images)
    constant = int((images["std"] < settings.constant_std).sum())
    small = int((images["side"] < settings.min_side.limit).sum())
    share, side = settings.max_constant_share, settings.min_side
    expected = [
        Expectation(
            "max_constant_share",
            "items",
            "ExpectColumnValuesToBeBetween",
            {"column": "std", "min_value": settings.constant_std, "mostly": max(0.0, 1 - share.limit)},
            share.severity,
            f"{constant} of {total} ({constant / max(total, 1):.2%}) images are near-constant (standard deviation "
            f"below validate.constant_std {settings.constant_std:g}), over validate.max_constant_share.limit "
            f"{share.limit:g}; {QUARANTINE}: fix the source or raise the limit",
        ),
        Expectation(
            "min_side",
            "items",
            "ExpectColumnValuesToBeBetween",
            {"column": "side", "min_value": side.limit},
            side.severity,
            f"{small} of {total} images have a side shorter than validate.min_side.limit {side.limit:g} pixels; "
            f"{QUARANTINE}: add larger images or lower the limit",
        ),
        Expectation(
            "modes",
            "items",
            "ExpectColumnValuesToBeInSet",
            {"column": "mode", "value_set": list(settings.modes.allowed)},
            settings.modes.severity,
            f"{unusual_modes(images, settings)} are stored in a mode that validate.modes.allowed does not list; "
            "check their colours, then add the mode to the list",
        ),
    ]
    expected += range_expectations(images, settings)
    if len(accepted):
        low, high = settings.mean_range
        expected.append(
            Expectation(
                "mean_range",
                "accepted",
                "ExpectColumnMeanToBeBetween",
                {"column": "mean", "min_value": low, "max_value": high},
                "warning",
                f"the mean of the accepted pixels is {accepted['mean'].mean():.4f} (0 black, 1 white), outside "
                f"validate.mean_range [{low:g}, {high:g}]: check the images, data.background and data.fit, "
                "or widen the range",
            )
        )
    return expected


def unusual_modes(images: pd.DataFrame, settings: ImageValidation) -> str:
    """Return how many images are stored in which other modes: "3 images (CMYK 2, I;16 1)"."""
    modes = images["mode"]
    counts = modes[~modes.isin(settings.modes.allowed)].value_counts(sort=False)
    return f"{counts.sum()} images ({', '.join(f'{mode} {count}' for mode, count in sorted(counts.items()))})"


def range_expectations(images: pd.DataFrame, settings: ImageValidation) -> list[Expectation]:
    """Return the expectations on the values of files of more than 8 bits; none if there are no such files."""
    if "range_share" not in images or not images["range_share"].notna().any():
        return []
    wide = images[images["range_share"].notna()]
    use, outside = float(wide["range_share"].median()), float(wide["outside_share"].mean())
    least, most = settings.min_range_share, settings.max_outside_share
    return [
        Expectation(
            "min_range_share",
            "items",
            "ExpectColumnMedianToBeBetween",
            {"column": "range_share", "min_value": least.limit},
            least.severity,
            f"a typical image of more than 8 bits uses {use:.1%} of the range of values (data.range), below "
            f"validate.min_range_share.limit {least.limit:g}: at 8 bits {max(2, round(256 * use))} of 256 gray levels "
            f"are left; values lie between {wide['lowest'].min():g} and {wide['highest'].max():g}, with a typical "
            f"maximum of {wide['highest'].median():g}: set data.range",
        ),
        Expectation(
            "max_outside_share",
            "items",
            "ExpectColumnMeanToBeBetween",
            {"column": "outside_share", "max_value": most.limit},
            most.severity,
            f"{outside:.2%} of the values of images of more than 8 bits lie outside data.range and were clipped, over "
            f"validate.max_outside_share.limit {most.limit:g}; values lie between {wide['lowest'].min():g} and "
            f"{wide['highest'].max():g}: widen data.range",
        ),
    ]


def range_remarks(images: pd.DataFrame) -> list[str]:
    """Return how many images have values outside the range of the data set, in which a model was trained."""
    outside = images[images["outside_share"] > 0]
    if not len(outside):
        return []
    return [
        f"{len(outside)} of {len(images)} images have values outside the range of data/dataset, which were clipped: "
        f"from {outside['lowest'].min():g} to {outside['highest'].max():g}. Set data.range to include them, and run "
        "`dvc repro`"
    ]
