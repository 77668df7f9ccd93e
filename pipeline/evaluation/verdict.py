"""The verdict on a model: one row a test, and the reasons of a failure. Shared by all tasks."""

from dataclasses import dataclass, field
from typing import Literal

from pipeline.measure import Bound, Bounds, Data, Measure, Measurement

State = Literal["pass", "fail", "skipped", "off"]
SIGNIFICANCE = 5.0
"""Standard deviations of the null that a failure must exceed."""


@dataclass(frozen=True)
class Test:
    """One row of the gate: a value, the bound it was compared with, and the result.

    Attributes:
        value: In the scale that the bound is in: of a relative measure the value over its null.
        null: What real data show in that scale; None if it is not known.
        note: Why the test was skipped.
        evidence: Words for the reason of a failure; empty for the numbers of the row.
    """

    __test__ = False  # pytest: not a test class

    name: str
    value: float | None
    bound: str
    null: float | None = None
    state: State = "pass"
    note: str = ""
    evidence: str = ""

    @property
    def numbers(self) -> str:
        """Value, bound and null in one clause."""
        value = "–" if self.value is None else f"{self.value:.3g}"
        null = f" and real images show {self.null:.3g}" if self.null is not None else ""
        return f"{self.name} {value} where {self.bound} passes{null}"


@dataclass(frozen=True)
class Verdict:
    """The tests of a model, and why it failed: one reason a symptom, "name: evidence. Advice"."""

    tests: list[Test] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def word(self) -> Literal["pass", "fail"]:
        return "fail" if self.failed else "pass"

    @property
    def failed(self) -> list[str]:
        """Names of the failed tests."""
        return [test.name for test in self.tests if test.state == "fail"]

    @property
    def skipped(self) -> list[str]:
        """Tests that could not be made, "name: why"."""
        return [f"{test.name}: {test.note}" for test in self.tests if test.state == "skipped"]


def finite_test(name: str, finite: int, total: int) -> Test:
    """Test that no sample holds NaN or Inf. It has no setting: such a model is never good."""
    state: State = "pass" if finite == total else "fail"
    return Test(name, finite, f"all {total:,}", state=state)


def apply_bound(
    measure: Measure[Data],
    measurement: Measurement,
    data: Data,
    setting: Bound,
    *,
    significance: float = SIGNIFICANCE,
    name: str = "",
) -> Test:
    """Compare a measurement with its bound.

    A value fails if it lies beyond the bound and, if the null's spread is known, more than `significance` standard
    deviations from the null.

    Args:
        setting: The bound as `evaluate.gate` has it; None switches the test off.
        name: Name of the row, if it is not the measure's.
    """
    name, bounds = name or measure.name, measure.bounds(setting)
    scale = Scale.of(measure, measurement)
    if setting is None:
        return Test(name, scale.value, "off", scale.null, "off")
    low, high = (None if bound is None else bound * scale.factor for bound in (bounds.low, bounds.high))
    text = f"{Bounds(low, high)}{' + null' if measure.raw and measure.kind == 'excess' else ''}"
    if scale.value is None or measurement.skip:
        return Test(name, None, text, scale.null, "skipped", measurement.skip or measure.missing)
    z, shift = measurement.z, scale.shift or 0.0
    below = low is not None and scale.value < low + shift and (z is None or z < -significance)
    above = high is not None and scale.value > high + shift and (z is None or z > significance)
    if not (below or above) or (measure.confirm is not None and not measure.confirm(data, bounds)):
        return Test(name, scale.value, text, scale.null)
    evidence = measure.evidence(data, bounds) if measure.evidence else ""
    return Test(name, scale.value, text, scale.null, "fail", evidence=evidence)


@dataclass(frozen=True)
class Scale:
    """How a test shows a measurement: the value and its null, and what turns the setting into a bound for them.

    Attributes:
        shift: Added to the bound: the null of a raw excess; None for any other measure.
        factor: Multiplies the bound: the null of a raw relative measure.
    """

    value: float | int | None
    null: float | None
    shift: float | None = None
    factor: float = 1.0

    @classmethod
    def of(cls, measure: Measure[Data], measurement: Measurement) -> "Scale":
        value, null = measurement.number, measurement.null
        if value is None or null is None or measure.kind == "absolute":
            return cls(value, null)
        if measure.kind == "excess":
            return cls(value, null, shift=null) if measure.raw else cls(value - null, 0.0)
        if measure.raw:
            return cls(value, null, factor=null)
        return cls(value / null if null > 0 else value, 1.0)
