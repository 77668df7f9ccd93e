"""A measure: a number about a model, with everything that settings, gate, report and summary must know about it.

A leaf module: no torch, nothing of the project. A task declares its measures, a medium declares those of its items.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

Value = float | int | str | None
Kind = Literal["absolute", "relative", "excess"]
Better = Literal["low", "high", "range"]
Bound = float | tuple[float, float] | None
Data = TypeVar("Data")


@dataclass(frozen=True)
class Measurement:
    """A measured value, next to what the same measure shows between two sets of real data (its null).

    Attributes:
        value: None if it could not be measured.
        null: Mean of the null; None without one.
        spread: Standard deviation of the null; None if it was not estimated.
        skip: Why no test may read the value, even if it was measured; empty if tests may.
    """

    value: Value
    null: float | None = None
    spread: float | None = None
    skip: str = ""

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
    """The values that pass a test, ends included; None where there is no limit."""

    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        low = [f">= {format_bound(self.low)}"] if self.low is not None else []
        high = [f"<= {format_bound(self.high)}"] if self.high is not None else []
        return " and ".join(low + high)


def format_bound(value: float) -> str:
    """Return three significant digits, and more for numbers from 1,000 on."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:g}"


@dataclass(frozen=True)
class Symptom:
    """A named failure mode, to which failed tests are attributed.

    Attributes:
        priority: Symptoms are tried in ascending order: the most specific first.
        advice: What to try.
        explains: Measures, or groups of measures, whose failure is a consequence of this symptom.
        causes: Measures that show the symptom besides those that name it; these come first in the evidence.
        when: A further condition on the measurements; None for no condition.
    """

    name: str
    priority: int
    advice: str
    explains: frozenset[str] = frozenset()
    causes: tuple[str, ...] = ()
    when: Callable[[Mapping[str, Measurement]], bool] | None = None


@dataclass(frozen=True, eq=False)
class Measure(Generic[Data]):
    """A number about a model, and how it is tested, explained and shown.

    A measure with `better` is a test: its bound is the setting `evaluate.gate.<setting>`. One without is only reported.

    Attributes:
        name: Key in the metrics, and the row in the report.
        compute: Returns the value, or a Measurement if there is a null or a reason to skip the test.
        explanation: What the number means, for report, settings and documentation.
        kind: How a test reads the value: as it is, divided by the null, or minus the null.
        better: Direction of good values.
        bound: Default of the setting; for a range (least, most), or one number t for [1 - t, 1 / (1 - t)].
            For `excess` with better "high" it says how far the value may lie below the null. None: off by default.
        setting: Key of the bound in `evaluate.gate`; empty for the name. Several measures can share one.
        limits: What the setting accepts, as keywords of pydantic's Field (ge, gt, le, lt).
        raw: Show the value as measured and apply the null to the bound instead.
        missing: Why the test is skipped if the value is None.
        needs: What the data or model must have for this measure to exist, such as "classes"; empty for nothing.
        group: Family of measures that a symptom can explain as a whole, such as "fidelity".
        symptoms: Failure modes that a failed test can name.
        evidence: Words for the reason if the test fails; None uses the numbers of the test.
        confirm: Decides whether a value beyond its bounds is a failure; None compares it with the null's spread.
        reported: Whether the report shows it if no test does.
        headline: Whether the summary of a run shows it.
        ideal: Value of a perfect model, in words, for the report; for measures without a null.
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
    symptoms: tuple[Symptom, ...] = ()
    evidence: Callable[[Data, Bounds], str] | None = None
    confirm: Callable[[Data, Bounds], bool] | None = None
    reported: bool = True
    headline: bool = False
    ideal: str = ""

    @property
    def key(self) -> str:
        """Key of the bound in `evaluate.gate`."""
        return self.setting or self.name

    def measure(self, data: Data) -> Measurement:
        """Return the measurement of `data`."""
        result = self.compute(data)
        return result if isinstance(result, Measurement) else Measurement(result)

    def bounds(self, setting: Bound) -> Bounds:
        """Return the interval that a setting describes, in the scale of `kind`."""
        if setting is None or self.better is None:
            return Bounds()
        if isinstance(setting, tuple):
            return Bounds(*setting)
        if self.better == "range":
            return Bounds(1 - setting, 1 / (1 - setting))
        if self.better == "low":
            return Bounds(high=setting)
        return Bounds(low=-setting if self.kind == "excess" else setting)
