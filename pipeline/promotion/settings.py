"""Settings of `ganline promote`."""

import functools
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, SerializeAsAny, create_model

from pipeline.measure import Measure, PromotionBound
from pipeline.settings import Settings


class PromotionBounds(Settings):
    """Bounds on measures by name; null disables a bound. Each task has subclasses, derived from its measures."""


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
        description="each measure of diversity (see floors) over the champion's, at least; null: off",
    )
    untested: Literal["hold", "allow"] = Field(
        "hold",
        description="a model that the gate could not test for memorisation, fidelity or diversity: hold it until it is "
        "approved (ganline promote --approve VERSION), or allow it",
    )
    limits: SerializeAsAny[PromotionBounds] = Field(
        PromotionBounds(), description="upper bounds that apply if there is no champion; null disables a bound"
    )
    floors: SerializeAsAny[PromotionBounds] = Field(
        PromotionBounds(), description="lower bounds on diversity relative to real data; null disables a bound"
    )
    parity: float = Field(
        1e-3, gt=0, lt=1, description="difference between PyTorch and ONNX Runtime as measured by export, at most"
    )
    latency_ms: float | None = Field(
        100.0, gt=0, description="latency for one item as measured by export in ms, at most; null disables"
    )


@functools.cache
def promote_settings(measures: tuple[Measure[Any], ...]) -> type[PromoteSettings]:
    """Return the settings of `promote:` with the limits and floors that these measures declare."""
    limits = {measure: bound for measure in measures if (bound := measure.promotion_limit) is not None}
    floors = {measure: bound for measure in measures if (bound := measure.promotion_floor) is not None}
    fields: dict[str, Any] = {}
    for name, bounds, direction in (("limits", limits, "at most"), ("floors", floors, "at least")):
        kind = bounds_settings(bounds, direction)
        fields[name] = kind, Field(kind(), description=PromoteSettings.model_fields[name].description)
    return create_model("PromoteSettings", __base__=PromoteSettings, **fields)


def bounds_settings(bounds: Mapping[Measure[Any], PromotionBound], direction: str) -> type[PromotionBounds]:
    """Return a settings class with one bound for each measure."""
    fields: dict[str, Any] = {}
    for measure, bound in bounds.items():
        limits: Any = bound.limits
        # The explanation of a relative measure names what it is relative to.
        over = f", over {bound.over}" if bound.over and measure.raw else ""
        description = f"{measure.explanation}{over}, {direction}"
        fields[measure.name] = (float | None, Field(bound.default, description=description, **limits))
    return create_model("PromotionBounds", __base__=PromotionBounds, **fields)
