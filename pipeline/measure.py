"""A measure: a number about a model, with everything that settings, gate, report and summary need to know about it.

This module imports neither torch nor the project. Tasks declare measures of models, media declare measures of items.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

Value = float | int | str | None
Kind = Literal["absolute", "relative", "excess"]
Better = Literal["low", "high", "range"]
Bound = float | tuple[float, float] | None
Data = TypeVar("Data")


@dataclass(frozen=True)
class Interval:
    """An interval of a measured value; `meaning` says which, such as "95 % confidence interval over the images"."""

    low: float
    high: float
    meaning: str

    def rescale(self, factor: float, offset: float = 0.0) -> "Interval":
        """Return the interval of the value times a positive factor, plus an offset."""
        return Interval(self.low * factor + offset, self.high * factor + offset, self.meaning)


@dataclass(frozen=True)
class Measurement:
    """A measured value and its null: the value of the same measure between two sets of real data.

    Attributes:
        value: None if it could not be measured.
        null: Mean of the null; None without one.
        spread: Standard deviation of the null; None if it was not estimated.
        skip: Why tests must ignore the value; empty if they may use it.
        interval: Uncertainty of the value, for the report; None if it was not estimated.
    """

    value: Value
    null: float | None = None
    spread: float | None = None
    skip: str = ""
    interval: Interval | None = None

    @property
    def z(self) -> float | None:
        """Deviation from the null in standard deviations; None without an estimated spread."""
        if self.number is None or self.null is None or self.spread is None:
            return None
        return (self.number - self.null) / max(self.spread, 1e-12)

    @property
    def number(self) -> float | int | None:
        """The value, if it is a number."""
        return self.value if isinstance(self.value, int | float) else None


@dataclass(frozen=True)
class Bounds:
    """The interval of values that pass a test, ends included; None for no limit."""

    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        low = [f">= {format_bound(self.low)}"] if self.low is not None else []
        high = [f"<= {format_bound(self.high)}"] if self.high is not None else []
        return " and ".join(low + high)


def format_bound(value: float) -> str:
    """Format a number with three significant digits, or more from 1,000 on."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:g}"


@dataclass(frozen=True)
class Symptom:
    """A named failure mode to which failed tests are attributed.

    Attributes:
        name: Name of the failure mode.
        priority: Symptoms are tried in ascending order, the most specific first.
        advice: What to try.
        explains: Measures, or groups of measures, whose failure is a consequence of this symptom.
        causes: Further measures that show the symptom, in addition to those that name it. They come first in the
            evidence.
        when: A further condition on the measurements; None for no condition.
        undo: Returns the samples without this failure mode, to measure them again: the symptom also explains the tests
            that then pass. None if that is impossible.
        alone: Groups in which no other test may still fail after `undo`, or another symptom is the cause.
        only: Returns the samples that have this failure mode and no others. If they fail by a symptom with `of_part`,
            that one names the failure.
        of_part: The symptom may say what is wrong with a part of the samples; see `only`.
    """

    name: str
    priority: int
    advice: str
    explains: frozenset[str] = frozenset()
    causes: tuple[str, ...] = ()
    when: Callable[[Mapping[str, Measurement]], bool] | None = None
    undo: Callable[[Any], Any] | None = None
    alone: frozenset[str] = frozenset()
    only: Callable[[Any], Any] | None = None
    of_part: bool = False


@dataclass(frozen=True)
class PromotionBound:
    """A bound on a measure that `ganline promote` applies; it is a setting in params.yaml.

    Attributes:
        default: Default of the setting; None: off by default.
        limits: What the setting accepts, as keywords of pydantic's Field.
        over: Metric that the value is divided by before it is compared; empty for none.
    """

    default: float | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    over: str = ""


@dataclass(frozen=True, eq=False)
class Measure(Generic[Data]):
    """A number about a model, and how it is tested, explained and shown.

    A measure with `better` is a test, whose bound is the setting `evaluate.gate.<setting>`. Others are only reported.

    Attributes:
        name: Key in the metrics, and name of the row in the report.
        compute: Returns the value, or a Measurement with a null or a reason to skip the test.
        explanation: Meaning of the number, for report, settings and documentation.
        kind: How a test reads the value: unchanged, divided by the null, or minus the null.
        better: Direction of good values.
        bound: Default of the setting. For a range it is (minimum, maximum), or a number t for [1 - t, 1 / (1 - t)]. For
            kind "excess" with better "high" it is the largest distance below the null. None switches the test off.
        setting: Key of the bound in `evaluate.gate`; empty for the name. Several measures can share a key.
        limits: Limits of the setting, as keywords of pydantic's Field (ge, gt, le, lt).
        raw: Show the measured value, and apply the null to the bound instead.
        missing: Why the test is skipped if the value is None.
        needs: What data or model must have for this measure, such as "classes"; empty for nothing.
        group: Family of measures that a symptom can explain as a whole, such as "fidelity".
        aspect: What remains untested if every test of it is skipped, such as "memorisation". The verdict then says so,
            and promotion is held. Empty for tests that a verdict can do without.
        symptoms: Failure modes that a failed test can indicate.
        evidence: Returns the text for the reason of a failure; None uses the numbers of the test.
        confirm: Decides whether a value outside its bounds is a failure; None relies on the spread of the null.
        reported: Whether the report shows the measure if it is not a test.
        headline: Whether the summary of a run shows the measure.
        place: Order among the numbers at the head of the report, which shows the first three that were measured; None
            for measures that it never shows.
        ideal: Value of a perfect model as text, for the report of measures without a null.
        promotion_limit: Upper bound without a champion, the setting `promote.limits.<name>`; None: no such setting.
        promotion_floor: Lower bound on diversity relative to real data, the setting `promote.floors.<name>`; None: no
            such setting. Such a measure is also compared with the champion's (`promote.diversity`).
    """

    name: str
    compute: Callable[[Data], Measurement | Value]
    explanation: str
    kind: Kind = "absolute"
    better: Better | None = None
    bound: Bound = None
    setting: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)
    raw: bool = False
    missing: str = "it could not be measured"
    needs: str = ""
    group: str = ""
    aspect: str = ""
    symptoms: tuple[Symptom, ...] = ()
    evidence: Callable[[Data, Bounds], str] | None = None
    confirm: Callable[[Data, Bounds], bool] | None = None
    reported: bool = True
    headline: bool = False
    place: int | None = None
    ideal: str = ""
    promotion_limit: PromotionBound | None = None
    promotion_floor: PromotionBound | None = None

    @property
    def key(self) -> str:
        """Key of the bound in `evaluate.gate`."""
        return self.setting or self.name

    def measure(self, data: Data) -> Measurement:
        """Return the measurement of `data`."""
        result = self.compute(data)
        return result if isinstance(result, Measurement) else Measurement(result)

    def bounds(self, setting: Bound) -> Bounds:
        """Convert a setting to an interval in the scale of `kind`."""
        if setting is None or self.better is None:
            return Bounds()
        if isinstance(setting, tuple):
            return Bounds(*setting)
        if self.better == "range":
            return Bounds(1 - setting, 1 / (1 - setting))
        if self.better == "low":
            return Bounds(high=setting)
        return Bounds(low=-setting if self.kind == "excess" else setting)
