"""Diagnose failed tests: attribute each to one named failure mode, the most specific first.

A lost class, for example, also worsens recall, coverage and the Fréchet distance. The reason should name the class.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.evaluation.verdict import Test
from pipeline.evaluation.wording import join_names, percent
from pipeline.measure import Measure, Measurement, Symptom


@dataclass(frozen=True)
class Diagnosis:
    """A symptom and the failed tests that it explains; the first test is the evidence."""

    symptom: Symptom
    tests: tuple[Test, ...]

    def __str__(self) -> str:
        """Return the reason: "name: evidence; also failed: ... Advice"."""
        first, *rest = self.tests
        also = f"; also failed: {join_names([test.numbers for test in rest])}" if rest else ""
        return f"{self.symptom.name}: {first.evidence or first.numbers}{also}. {self.symptom.advice}"

    def named_by(self, other: "Diagnosis", share: float) -> "Diagnosis":
        """Return this diagnosis under the name of `other`, which is that of a share of the samples alone."""
        first, *rest = self.tests
        seen = other.tests[0]
        words = f"{seen.evidence or seen.numbers} in {percent(share)} of the samples; {first.evidence or first.numbers}"
        return Diagnosis(other.symptom, (replace(first, evidence=words), *rest))


Recheck = Callable[[Symptom, Sequence[Test]], Collection[str]]
"""(symptom with `undo`, failed tests) -> names of the tests that pass without the symptom."""


def diagnose(
    tests: Iterable[Test],
    measures: Sequence[Measure[Any]],
    measurements: Mapping[str, Measurement],
    fallback: Symptom,
    recheck: Recheck | None = None,
) -> list[Diagnosis]:
    """Return the symptoms that together explain all failed tests, ordered by priority.

    Args:
        tests: Tests of the gate, named after their measures; only failed ones are read.
        measures: Measures that the gate tests, with their symptoms.
        measurements: Values of the measures by name, for the conditions of symptoms.
        fallback: Symptom of the failed tests that no other symptom explains.
        recheck: Applies the tests again to samples without a symptom; None relies on `explains`.
    """
    left = [test for test in tests if test.state == "fail"]
    groups = {measure.name: measure.group for measure in measures}
    symptoms = {symptom: None for measure in measures for symptom in measure.symptoms}
    names = {symptom: {m.name for m in measures if symptom in m.symptoms} for symptom in symptoms}
    diagnoses = []
    for symptom in sorted(symptoms, key=lambda one: one.priority):
        own = [test for test in left if test.name in names[symptom] or test.name in symptom.causes]
        if not own or (symptom.when is not None and not symptom.when(measurements)):
            continue
        own.sort(key=lambda test: order(symptom, test))
        others = [test for test in left if test not in own]
        rest = [test for test in others if {test.name, groups[test.name]} & symptom.explains]
        if recheck is not None and symptom.undo is not None:
            passing = recheck(symptom, [test for test in others if test not in rest])
            rest = [test for test in others if test in rest or test.name in passing]
            if any(groups[test.name] in symptom.alone for test in others if test not in rest):
                continue
        diagnoses.append(Diagnosis(symptom, (*own, *rest)))
        left = [test for test in left if test not in own and test not in rest]
    return [*diagnoses, Diagnosis(fallback, tuple(left))] if left else diagnoses


def order(symptom: Symptom, test: Test) -> int:
    """Return the position of a test in the evidence: `causes` first, in their order, then the other tests."""
    return symptom.causes.index(test.name) if test.name in symptom.causes else len(symptom.causes)
