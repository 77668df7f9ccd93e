"""Settings of `ganline tune`."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.settings import MAX_SEED, Settings

Choice = bool | int | float | str | None


class Interval(Settings):
    """A range of numbers: whole ones if both bounds and the present value are whole."""

    one_line: ClassVar[bool] = True

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def check_order(self) -> "Interval":
        """Raise ValueError if the range is empty, or has no logarithm."""
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"log: low {self.low:g} must be above 0; set it, or log: false")
        return self


Range = Interval | tuple[Choice, ...]


def parse_ranges(value: object) -> object:
    """Return ranges by key, or "auto". Raise ValueError for anything else, with the key."""
    if value == "auto":
        return value
    if not isinstance(value, Mapping) or not value:
        raise ValueError("must be auto, or ranges by key, such as {train.batch_size: [32, 64]}")
    return {str(key): parse_range(str(key), one) for key, one in value.items()}


def parse_range(key: str, value: object) -> Range:
    """Return one range. Raise ValueError with its key."""
    if isinstance(value, Interval):
        return value
    if isinstance(value, list | tuple):
        choices = tuple(dict.fromkeys(value)) if all(isinstance(one, Choice) for one in value) else ()
        if len(choices) < 2:
            raise ValueError(f"{key}: a list must hold two or more different values")
        return choices
    if not isinstance(value, Mapping) or not {"low", "high"} <= value.keys() <= {"low", "high", "log"}:
        raise ValueError(f"{key}: must be a list of values, {{low, high}}, or {{low, high, log: true}}")
    return Interval.model_validate(value)


class TuneSettings(Settings):
    """What `ganline tune` searches, and for how long."""

    ranges: Annotated[Literal["auto"] | dict[str, Any], BeforeValidator(parse_ranges)] = Field(
        "auto",
        description="keys of model and train, each with a list of values, {low, high}, or {low, high, log: true}; "
        "auto: learning rates, R1, R2, EMA, batch size, augmentation and widths, as far as the variant has them",
    )
    trials: int | None = Field(
        30, ge=1, description="trials of a study, however many machines run them; null: no limit, hours decides"
    )
    hours: float | None = Field(
        None,
        gt=0,
        description="hours that all trials of a study take together, confirmation apart; null: no limit",
    )
    checks: int = Field(
        20, ge=2, le=1000, description="health checks of a training; after each, a trial may be stopped"
    )
    reduction: int = Field(
        3, ge=2, le=10, description="successive halving: of the trials at a rung, one of this many continues"
    )
    held_out: float = Field(
        0.1, gt=0, lt=0.5, description="share of the training items that no trial trains on; the test split is not read"
    )
    seeds: int = Field(3, ge=1, le=100, description="new seeds on which the best trial is compared with the start")
    seed: int = Field(0, ge=0, le=MAX_SEED, description="seed of the search")

    @model_validator(mode="after")
    def check_budget(self) -> "TuneSettings":
        """Raise ValueError without a budget."""
        if self.trials is None and self.hours is None:
            raise ValueError("trials and hours are both null: set one of them, or the search never ends")
        return self
