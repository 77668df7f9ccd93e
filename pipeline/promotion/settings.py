"""What can be set about promotion."""

from typing import Literal

from pydantic import Field

from pipeline.settings import Settings


class Limits(Settings):
    """Absolute bounds, held where there is no champion to compare with, of what the task measures; null is off."""

    fid_ratio: float | None = Field(
        3.0,
        gt=0,
        description="FID over that between two sets of real images (translations: over that of the inputs), at most",
    )
    fid: float | None = Field(None, gt=0, description="at most")
    kid: float | None = Field(None, gt=0, description="at most")


class Floors(Settings):
    """Diversity of generated images below which nothing is promoted, relative to real images; null is off."""

    recall: float | None = Field(0.4, ge=0)
    coverage: float | None = Field(0.7, ge=0)
    vendi_ratio: float | None = Field(0.8, ge=0)
    modes_covered: float | None = Field(1.0, ge=0, le=1, description="share of the classes")


class PromoteSettings(Settings):
    """When a challenger becomes the champion."""

    require: Literal["no_worse", "better"] = Field(
        "no_worse",
        description="of the task's measures (FID and KID, or PSNR) beyond their bootstrap interval: none is worse; or one is better as well",
    )
    diversity: float | None = Field(
        0.9,
        ge=0,
        le=1,
        description="recall, coverage, diversity, classes and dependence, as parts of the champion's; null is off",
    )
    limits: Limits = Limits()
    floors: Floors = Floors()
    parity: float = Field(
        1e-3, gt=0, lt=1, description="largest difference between PyTorch and ONNX Runtime that export measured"
    )
    latency_ms: float | None = Field(
        100.0, gt=0, description="for one image, as export measured it, at most; null is off"
    )
