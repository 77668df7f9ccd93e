"""Settings of the task's gate: one bound for each test, derived from the measures."""

import functools
from typing import Any

from pydantic import Field, model_validator

from pipeline.evaluation.gate_settings import gate_settings
from pipeline.evaluation.settings import Gate
from pipeline.evaluation.verdict import SIGNIFICANCE
from pipeline.measure import Measure


class SampleGate(Gate):
    """Bounds of the tests; null switches a test off.

    A test with a null fails if the value is beyond its bound and more than `significance` standard deviations from what
    real items show at the same size.
    """

    significance: float = Field(
        SIGNIFICANCE, ge=1, description="standard deviations of the null that a failure must exceed"
    )

    @model_validator(mode="after")
    def ranges_are_ordered(self) -> "SampleGate":
        """Raise ValueError for a range that holds nothing."""
        for name, value in self:
            if isinstance(value, tuple) and not 0 <= value[0] < value[1]:
                raise ValueError(f"{name} {list(value)}: must be [least, most]")
        return self


@functools.cache
def sample_gate(measures: tuple[Measure[Any], ...]) -> type[Any]:
    """Return the class of the gate's settings for these measures."""
    return gate_settings(measures, SampleGate)
