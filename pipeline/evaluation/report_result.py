"""A measure in the report: its measurement and its test, in the scale in which the report shows them."""

from dataclasses import dataclass
from typing import Any

from pipeline.evaluation.verdict import Scale, Test
from pipeline.measure import Bound, Interval, Measure, Measurement


@dataclass(frozen=True)
class Result:
    """A measure with its measurement and its test.

    Attributes:
        name: Name in the report.
        test: None if nothing tests the measure.
        setting: The bound in `evaluate.gate`; None without a test, or if it is switched off.
        suffix: Ends its name in the metrics, for a part of the model.
    """

    name: str
    measure: Measure[Any]
    measurement: Measurement
    test: Test | None = None
    setting: Bound = None
    suffix: str = ""

    @property
    def key(self) -> str:
        """Name in the metrics."""
        return f"{self.measure.name}{self.suffix}"

    @property
    def value(self) -> float | int | str | None:
        """The value as the table shows it."""
        return self.test.value if self.test else self.measurement.value

    @property
    def interval(self) -> Interval | None:
        """Interval of the value as the table shows it; None without one."""
        interval, number = self.measurement.interval, self.measurement.number
        if interval is None or number is None or self.test is None:
            return interval
        value = Scale.of(self.measure, self.measurement).value or 0.0
        return interval.rescale(self.factor, value - self.factor * number)

    @property
    def spread(self) -> float | None:
        """Spread of the null as the table shows it; None if it was not estimated."""
        spread = self.measurement.spread
        return None if spread is None else spread * self.factor

    @property
    def factor(self) -> float:
        """Factor from the scale of the measurement to that of the table."""
        null, shown = self.measurement.null, Scale.of(self.measure, self.measurement).null
        return shown / null if self.test is not None and null and shown else 1.0

    @property
    def margin(self) -> float | None:
        """Distance from the value to its bound over that from the null to the bound; negative beyond the bound.

        None without a bound or a null, or if no distance is between them.
        """
        scale = Scale.of(self.measure, self.measurement)
        value, null = scale.value, scale.null
        if value is None or null is None:
            return None
        limits = scale.limits(self.measure.bounds(self.setting))
        ends = [end for end in (limits.low, limits.high) if end is not None and end != null]
        return min(((value - end) / (null - end) for end in ends), default=None)
