"""The one base of every settings class: immutable, and strict about unknown keys. And a number that changes as training goes on."""

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer, model_validator


class Settings(BaseModel):
    """A typo in a key never passes silently, and nothing downstream can change a value."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Ramp(Settings):
    """A setting that may follow a schedule: a plain number, or `{start, end}` joined by half a cosine (Loshchilov & Hutter 2017, eq. 5)."""

    start: float
    end: float

    @model_validator(mode="before")
    @classmethod
    def plain(cls, value: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"start": value, "end": value}
        if isinstance(value, dict | Ramp):
            return value
        raise ValueError("must be a number, or {start: number, end: number}")

    @model_serializer(mode="wrap")
    def compact(self, dump: SerializerFunctionWrapHandler) -> Any:
        return self.start if self.start == self.end else dump(self)

    def at(self, done: float) -> float:
        """The value when the share `done`, 0 to 1, of the schedule has passed."""
        return self.end + (self.start - self.end) * 0.5 * (1 + math.cos(math.pi * min(max(done, 0.0), 1.0)))

    @property
    def ever(self) -> bool:
        """Whether it is above zero at any time."""
        return self.start > 0 or self.end > 0

    def __str__(self) -> str:
        return f"{self.start:g}" if self.start == self.end else f"{self.start:g} to {self.end:g}"


def ramp(value: float) -> Ramp:
    """A constant one, for defaults."""
    return Ramp(start=value, end=value)


def bounded(value: Ramp, least: float, most: float) -> Ramp:
    """Raises ValueError unless both ends lie in [least, most]."""
    if not (least <= value.start <= most and least <= value.end <= most):
        limits = f"at least {least:g}" if math.isinf(most) else f"from {least:g} to {most:g}"
        raise ValueError(f"must be {limits}")
    return value
