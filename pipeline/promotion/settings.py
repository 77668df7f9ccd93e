"""Settings of `ganline promote`."""

from typing import Literal

from pydantic import Field

from pipeline.settings import Settings


class Limits(Settings):
    """Absolute bounds on the task's measures that apply if there is no champion; null disables a bound."""

    fid_ratio: float | None = Field(
        3.0,
        gt=0,
        description="FID over the FID between two sets of real images (translate: over that of the inputs), at most",
    )
    fid: float | None = Field(None, gt=0, description="FID, at most")
    kid: float | None = Field(None, gt=0, description="KID, at most")


class Floors(Settings):
    """Lower bounds on the diversity of generated images, relative to real images; null disables a bound."""

    recall: float | None = Field(0.4, ge=0, description="recall over that of real images, at least")
    coverage: float | None = Field(0.7, ge=0, description="coverage over that of real images, at least")
    vendi_ratio: float | None = Field(0.8, ge=0, description="Vendi score over that of real images, at least")
    modes_covered: float | None = Field(1.0, ge=0, le=1, description="fraction of the classes covered, at least")


class PromoteSettings(Settings):
    """When a challenger becomes the champion."""

    require: Literal["no_worse", "better"] = Field(
        "no_worse",
        description="no_worse: no measure is worse than the champion's beyond the bootstrap interval; "
        "better: and at least one is better. Measures: FID and KID, or PSNR",
    )
    diversity: float | None = Field(
        0.9,
        ge=0,
        le=1,
        description="recall, coverage, Vendi score, classes and dependence over the champion's, at least; null: off",
    )
    limits: Limits = Field(Limits(), description="bounds that apply if there is no champion; null disables a bound")
    floors: Floors = Field(Floors(), description="lower bounds on diversity; null disables a bound")
    parity: float = Field(
        1e-3, gt=0, lt=1, description="difference between PyTorch and ONNX Runtime as measured by export, at most"
    )
    latency_ms: float | None = Field(
        100.0, gt=0, description="latency for one image as measured by export in ms, at most; null disables"
    )
