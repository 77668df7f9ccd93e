"""Measure and test a model in parts: the trials of a restoration, the directions of a translation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from pipeline.evaluation.diagnosis import Diagnosis, diagnose
from pipeline.evaluation.report_head import Head, build_head
from pipeline.evaluation.report_page import Exhibit, Row, build_row, count_row, format_number
from pipeline.evaluation.report_result import Result
from pipeline.evaluation.report_trend import EvaluatedRun
from pipeline.evaluation.settings import Gate
from pipeline.evaluation.unfinished import unfinished_reason
from pipeline.evaluation.verdict import Test, Verdict, apply_bound, finite_test
from pipeline.evaluation.wording import join_names
from pipeline.measure import Measure, Measurement, Symptom

FINITE = "finite images"
UNEXPLAINED = Symptom("failed test", 99, "See the report.")


class PartData(Protocol):
    """What the measures of one part are computed from.

    Attributes:
        title: Name of the part in the report.
        total: Number of images.
        nonfinite: How many of them hold NaN or Inf.
        provides: What the part has, for the `needs` of a measure.
    """

    @property
    def title(self) -> str: ...

    @property
    def total(self) -> int: ...

    @property
    def nonfinite(self) -> int: ...

    @property
    def provides(self) -> frozenset[str]: ...


@dataclass(frozen=True)
class Part:
    """A measured part.

    Attributes:
        data: What it was measured on.
        suffix: Ends the names of its metrics.
        where: Ends the names of its tests.
        measures: The measures that apply.
        measurements: Their results, by name.
    """

    data: PartData
    suffix: str
    where: str
    measures: Sequence[Measure[Any]]
    measurements: Mapping[str, Measurement]

    @property
    def values(self) -> dict[str, Any]:
        """The measured values by name; None for what could not be measured."""
        return {name: measurement.value for name, measurement in self.measurements.items()}

    @property
    def metrics(self) -> dict[str, Any]:
        """The measured values by their names in the metrics; of a value with the spread of its null also that and z."""
        flat = {f"{name}{self.suffix}": value for name, value in self.values.items()}
        for name, measurement in self.measurements.items():
            if measurement.z is not None:
                flat |= {f"{name}_null{self.suffix}": measurement.null, f"{name}_z{self.suffix}": measurement.z}
        return flat


def measure_part(data: PartData, measures: Sequence[Measure[Any]], suffix: str, where: str) -> Part:
    """Compute the measures that apply to a part."""
    applicable = [measure for measure in measures if not measure.needs or measure.needs in data.provides]
    if data.nonfinite < data.total:
        measurements = {measure.name: measure.measure(data) for measure in applicable}
    else:
        measurements = {measure.name: Measurement(None, skip="no finite image") for measure in applicable}
    return Part(data, suffix, where, applicable, measurements)


def apply_gate(parts: Sequence[Part], gate: Gate, checks: Mapping[str, Sequence[float]] | None = None) -> Verdict:
    """Test every part; the reasons give the advice on a symptom once.

    Args:
        parts: What was measured.
        gate: The bounds.
        checks: Goals of the training's health checks, for `unfinished_reason`; None if they are not known.
    """
    tests: list[Test] = []
    diverged: list[str] = []
    reasons: list[str] = []
    known: set[Symptom] = set()
    for part in parts:
        total, nonfinite = part.data.total, part.data.nonfinite
        rows = test_part(part, gate)
        if nonfinite:
            diverged.append(
                f"non-finite images{part.where}: {nonfinite:,} of {total:,} hold NaN or Inf; the generator diverged. "
                "Try a lower train.learning_rate"
            )
        for diagnosis in diagnose(rows, part.measures, part.measurements, UNEXPLAINED, partial(recheck, part, gate)):
            reasons.append(format_reason(diagnosis, part.where, advise=diagnosis.symptom not in known))
            known.add(diagnosis.symptom)
        finite = finite_test(FINITE, total - nonfinite, total)
        tests += [replace(test, name=f"{test.name}{part.where}") for test in (finite, *rows)]
    if reasons:
        reasons = unfinished_reason(checks or {}) + reasons
    return Verdict(tests, diverged + reasons)


def test_part(part: Part, gate: Gate) -> list[Test]:
    """Compare the measurements of a part with their bounds."""
    return [
        apply_bound(measure, part.measurements[measure.name], part.data, getattr(gate, measure.key))
        for measure in part.measures
        if measure.better is not None
    ]


def recheck(part: Part, gate: Gate, symptom: Symptom, failed: Sequence[Test]) -> set[str]:
    """Return the names of the failed tests that pass without a symptom."""
    assert symptom.undo is not None
    if not failed:
        return set()
    names = {test.name for test in failed}
    again = measure_part(symptom.undo(part.data), [one for one in part.measures if one.name in names], "", "")
    return {test.name for test in test_part(again, gate) if test.state == "pass"}


def format_reason(diagnosis: Diagnosis, where: str, *, advise: bool) -> str:
    """Return "symptom (part): evidence; also failed: ... Advice"."""
    first, *others = diagnosis.tests
    also = f"; also failed: {join_names([test.numbers for test in others])}" if others else ""
    advice = f". {diagnosis.symptom.advice}" if advise else ""
    return f"{diagnosis.symptom.name}{where}: {first.evidence or first.numbers}{also}{advice}"


def report_results(part: Part, verdict: Verdict, gate: Gate) -> list[Result]:
    """Return the measures of a part that have a test, or a value to report."""
    tests = {test.name: test for test in verdict.tests}
    results = []
    for measure in part.measures:
        name, measurement = f"{measure.name}{part.where}", part.measurements[measure.name]
        if (test := tests.get(name)) is not None:
            results.append(Result(name, measure, measurement, test, getattr(gate, measure.key), part.suffix))
        elif measure.reported and measurement.value is not None:
            results.append(Result(name, measure, measurement, suffix=part.suffix))
    return results


def report_rows(
    parts: Sequence[Part],
    verdict: Verdict,
    gate: Gate,
    previous: Mapping[str, object],
    exhibits: Sequence[Sequence[Exhibit]] = (),
) -> list[Row]:
    """Return the rows of the report: part by part, each measure with its test or its reference value.

    Args:
        previous: Metrics of the previous run under the same protocol; empty without one.
        exhibits: For each part the pictures that the first of its failed tests shows; empty for none.
    """
    tests = {test.name: test for test in verdict.tests}
    rows = []
    for part, pictures in zip(parts, exhibits or [()] * len(parts), strict=True):
        rows.append(count_row(tests[f"{FINITE}{part.where}"], "images without NaN or Inf"))
        results = report_results(part, verdict, gate)
        failed = next((result for result in results if result.test and result.test.state == "fail"), None)
        for result in results:
            old = previous.get(result.key)
            before = format_number(old) if isinstance(old, int | float) else ""
            rows.append(build_row(result, before, pictures if result is failed else ()))
    return rows


def report_head(parts: Sequence[Part], verdict: Verdict, gate: Gate, runs: Sequence[EvaluatedRun] = ()) -> Head:
    """Return the head of the report; `runs` are the last ones, and the present one."""
    sizes = {f"images{part.where}": part.data.total for part in parts}
    return build_head([report_results(part, verdict, gate) for part in parts], sizes, runs)
