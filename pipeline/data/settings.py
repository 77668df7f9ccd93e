"""Settings of the validate stage."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from pipeline.settings import Settings

Severity = Literal["critical", "warning", "off"]


class Bound(Settings):
    """One expectation's threshold and what breaking it means."""

    one_line: ClassVar[bool] = True

    limit: float = Field(ge=0)
    severity: Severity


class AllowedModes(Settings):
    """The Pillow modes a source's files are expected to be stored in; others decode too, but through a conversion a person should know of."""

    allowed: tuple[str, ...] = Field(
        ("1", "L", "LA", "P", "PA", "RGB", "RGBA"), description="Pillow modes that need no conversion to gray or RGB"
    )
    severity: Severity = "warning"


class ValidateSettings(Settings):
    """Thresholds of the expectations. `critical` stops the line (exit 3), `warning` is reported, `off` is not checked and sets nothing aside.

    Files that could not be decoded are set aside always. Shares lie between 0 and 1.
    """

    min_images: Bound = Field(default=Bound(limit=64, severity="critical"), description="accepted training images")
    min_per_class: Bound = Field(
        default=Bound(limit=10, severity="critical"), description="accepted training images of the smallest class"
    )
    max_imbalance: Bound = Field(
        default=Bound(limit=10, severity="warning"), description="largest class over smallest class"
    )
    max_error_share: Bound = Field(
        default=Bound(limit=0.05, severity="critical"), description="share of files that could not be decoded"
    )
    max_duplicate_share: Bound = Field(
        default=Bound(limit=0.05, severity="warning"),
        description="share of exact duplicates within a split; the copies are set aside",
    )
    max_leakage_share: Bound = Field(
        default=Bound(limit=0.01, severity="warning"),
        description="share of test images that are also in train; they are set aside from test",
    )
    max_constant_share: Bound = Field(
        default=Bound(limit=0.01, severity="warning"), description="share of near-constant images; they are set aside"
    )
    max_unpaired_share: Bound = Field(
        default=Bound(limit=0.05, severity="critical"),
        description="share of images without a partner of the same size (data.pairs: folders); they are set aside, and where this is off those without any",
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

    @field_validator("mean_range")
    @classmethod
    def ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] <= value[1] <= 1:
            raise ValueError(f"{list(value)} must be two numbers between 0 and 1, the smaller first")
        return value
