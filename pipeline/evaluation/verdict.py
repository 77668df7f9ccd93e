"""The verdict on a model: its tests and the reasons of a failure. Shared by all tasks."""

from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.measure import Bound, Bounds, Data, Measure, Measurement

State = Literal["pass", "fail", "skipped", "off"]
SIGNIFICANCE = 5.0
"""Standard deviations of the null that a failure must exceed."""

CLOSE = 0.8
"""A value is near its bound if it is this fraction of the way there from the null; without a null, within 10 %."""

DOUBTFUL = 3.0
"""Standard deviations of the null from which a value near its bound, or beyond it, is mentioned."""


@dataclass(frozen=True)
class Test:
    """One row of the gate: a value, the bound it was compared with, and the result.

    Attributes:
        name: Name of the measure.
        value: Value in the scale of the bound: for a relative measure, the value divided by its null.
        bound: The values that pass, as text.
        null: Value of real data in that scale; None if unknown.
        state: Result of the test.
        note: Why the test was skipped.
        aspect: What remains untested if every test of it is skipped; see `Measure`.
        evidence: Text for the reason of a failure; if empty, the reason shows the numbers.
        near: The bound that the value of a passed test is near, in the scale of `value`; None if it is not near one.
    """

    __test__ = False  # pytest: not a test class

    name: str
    value: float | None
    bound: str
    null: float | None = None
    state: State = "pass"
    note: str = ""
    aspect: str = ""
    evidence: str = ""
    near: float | None = None

    @property
    def numbers(self) -> str:
        """Name, value, bound and null in one clause."""
        return format_numbers(self.name, self.value, self.bound, self.null)


def format_numbers(name: str, value: float | None, bound: object, null: float | None) -> str:
    """Format the numbers of a test, such as "recall 0.3 (bound >= 0.6, real images 0.9)"."""
    number = "–" if value is None else f"{value:.3g}"
    reference = "" if null is None else f", real images {null:.3g}"
    return f"{name} {number} (bound {bound}{reference})"


@dataclass(frozen=True)
class Verdict:
    """The tests of a model and the reasons of its failure.

    Attributes:
        tests: All tests of the gate.
        reasons: One reason for each symptom, "name: evidence. Advice"; empty if the model passed.
    """

    tests: list[Test] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def word(self) -> Literal["pass", "fail"]:
        """Result of all tests, "pass" or "fail"."""
        return "fail" if self.failed else "pass"

    @property
    def untested(self) -> dict[str, str]:
        """Aspects of which every test was skipped, each with the reasons. Tests that are off do not count."""
        aspects = {test.aspect: "" for test in self.tests if test.aspect and test.state == "skipped"}
        tested = {test.aspect for test in self.tests if test.state in ("pass", "fail")}
        return {aspect: self.why_skipped(aspect) for aspect in aspects if aspect not in tested}

    def why_skipped(self, aspect: str) -> str:
        """Return why the tests of an aspect were skipped."""
        notes = dict.fromkeys(test.note for test in self.tests if test.aspect == aspect and test.state == "skipped")
        return "; ".join(notes)

    @property
    def near_bounds(self) -> list[str]:
        """Passed tests that are near their bounds, such as "mode_kl 0.045 of 0.05"."""
        return [f"{test.name} {test.value:.3g} of {test.near:.3g}" for test in self.tests if test.near is not None]

    @property
    def outcome(self) -> dict[str, Any]:
        """What metrics/evaluation.json holds of the verdict."""
        return {
            "verdict": self.word,
            "reasons": self.reasons,
            "untested": [f"{aspect}: {why}" for aspect, why in self.untested.items()],
            "near_bounds": self.near_bounds,
            "skipped": self.skipped,
        }

    @property
    def failed(self) -> list[str]:
        """Names of the failed tests."""
        return [test.name for test in self.tests if test.state == "fail"]

    @property
    def skipped(self) -> list[str]:
        """Tests that could not be run, "name: why"."""
        return [f"{test.name}: {test.note}" for test in self.tests if test.state == "skipped"]


def finite_test(name: str, finite: int, total: int) -> Test:
    """Test that no sample contains NaN or Inf. The test has no setting and cannot be switched off."""
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

    A value fails if it is outside the bound. If the spread of the null is known, it must also be more than
    `significance` standard deviations away from the null.

    Args:
        measure: The measure.
        measurement: Its value, with its null.
        data: What was measured, for `measure.confirm` and `measure.evidence`.
        setting: The bound in `evaluate.gate`; None switches the test off.
        significance: Standard deviations of the null that a failure must exceed.
        name: Name of the test; empty for the name of the measure.
    """
    name, bounds = name or measure.name, measure.bounds(setting)
    scale = Scale.of(measure, measurement)
    if setting is None:
        return Test(name, scale.value, "off", scale.null, "off")
    aspect = measure.aspect
    text = f"{scale.rescale(bounds)}{' + null' if measure.raw and measure.kind == 'excess' else ''}"
    if scale.value is None or measurement.skip:
        return Test(name, None, text, scale.null, "skipped", measurement.skip or measure.missing, aspect)
    z, limits = measurement.z, scale.limits(bounds)
    below = limits.low is not None and scale.value < limits.low and (z is None or z < -significance)
    above = limits.high is not None and scale.value > limits.high and (z is None or z > significance)
    if not (below or above):
        doubtful = z is None or abs(z) > DOUBTFUL
        near = near_bound(scale, limits) if doubtful else None
        return Test(name, scale.value, text, scale.null, aspect=aspect, near=near)
    if measure.confirm is not None and not measure.confirm(data, bounds):
        return Test(name, scale.value, text, scale.null, aspect=aspect)
    evidence = measure.evidence(data, bounds) if measure.evidence else ""
    return Test(name, scale.value, text, scale.null, "fail", aspect=aspect, evidence=evidence)


def near_bound(scale: "Scale", limits: Bounds) -> float | None:
    """Return the bound that a value is near; None if it is near none.

    The distance is relative to the room between null and bound, which is the size of the effect that the test allows.
    """
    for bound, sign in ((limits.low, -1.0), (limits.high, 1.0)):
        if bound is None or scale.value is None:
            continue
        room = abs(bound) / 2 if scale.null is None else abs(bound - scale.null)
        if room > 0 and sign * (bound - scale.value) <= (1 - CLOSE) * room * (1 + 1e-9):
            return bound
    return None


@dataclass(frozen=True)
class Scale:
    """The scale in which a test shows a measurement, and the conversion of the setting to a bound in that scale.

    Attributes:
        value: The value.
        null: The null; None without one.
        shift: Added to the bound: the null of a raw excess; None for other measures.
        factor: Multiplies the bound: the null of a raw relative measure; 1 for other measures.
    """

    value: float | int | None
    null: float | None
    shift: float | None = None
    factor: float = 1.0

    @classmethod
    def of(cls, measure: Measure[Data], measurement: Measurement) -> "Scale":
        """Return the scale of a measure."""
        value, null = measurement.number, measurement.null
        if value is None or null is None or measure.kind == "absolute":
            return cls(value, null)
        if measure.kind == "excess":
            return cls(value, null, shift=null) if measure.raw else cls(value - null, 0.0)
        if measure.raw:
            return cls(value, null, factor=null)
        return cls(value / null if null > 0 else value, 1.0)

    def rescale(self, bounds: Bounds) -> Bounds:
        """Return bounds as a test states them: without the null that is added to those of a raw excess."""
        return Bounds(*(None if end is None else end * self.factor for end in (bounds.low, bounds.high)))

    def limits(self, bounds: Bounds) -> Bounds:
        """Return the bounds that `value` is compared with."""
        stated, shift = self.rescale(bounds), self.shift or 0.0
        return Bounds(*(None if end is None else end + shift for end in (stated.low, stated.high)))
