"""The base of every settings class: immutable, and strict about unknown keys. And a number that follows a schedule."""

import math
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer, model_validator

MAX_SEED = 2**62
"""The largest seed in params.yaml. Streams derived from a seed add small numbers to it, and torch takes 64 bits."""


class Settings(BaseModel):
    """The base of all settings. Unknown keys are errors, and values cannot be changed.

    Attributes:
        one_line: Written as `{key: value, ...}` on one line of params.yaml.
    """

    one_line: ClassVar[bool] = False

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Ramp(Settings):
    """A number that may follow a schedule: constant, or `{start, end}` with cosine decay (Loshchilov & Hutter 2017)."""

    one_line: ClassVar[bool] = True

    start: float
    end: float

    @model_validator(mode="before")
    @classmethod
    def accept_number(cls, value: Any) -> Any:
        """Turn a number into a constant schedule."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"start": value, "end": value}
        if isinstance(value, dict | Ramp):
            return value
        raise ValueError("must be a number, or {start: number, end: number}")

    @model_serializer(mode="wrap")
    def dump_constant_as_number(self, dump: SerializerFunctionWrapHandler) -> Any:
        """Write a constant schedule as a number."""
        return self.start if self.constant else dump(self)

    def at(self, done: float) -> float:
        """Return the value after the fraction `done` of the schedule, clipped to 0 .. 1."""
        return self.end + (self.start - self.end) * 0.5 * (1 + math.cos(math.pi * min(max(done, 0.0), 1.0)))

    @property
    def constant(self) -> bool:
        """Whether the value never changes."""
        return self.start == self.end

    @property
    def ever(self) -> bool:
        """Whether the value is above zero at the start or at the end."""
        return self.start > 0 or self.end > 0

    def __str__(self) -> str:
        return f"{self.start:g}" if self.constant else f"{self.start:g} to {self.end:g}"


def ramp(value: float) -> Ramp:
    """Return a constant schedule."""
    return Ramp(start=value, end=value)


def bounded(value: Ramp, least: float, most: float) -> Ramp:
    """Return `value`. Raise ValueError unless both ends lie in [least, most]."""
    if not (least <= value.start <= most and least <= value.end <= most):
        limits = f"at least {least:g}" if math.isinf(most) else f"from {least:g} to {most:g}"
        raise ValueError(f"must be {limits}")
    return value
