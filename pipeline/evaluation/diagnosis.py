"""Diagnose failed tests: attribute each to one named failure mode, the most specific first.

A lost class also lowers recall, coverage and the Fréchet distance; the reader should learn that a class was lost.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.evaluation.verdict import Test
from pipeline.evaluation.wording import join_names
from pipeline.measure import Measure, Measurement, Symptom


@dataclass(frozen=True)
class Diagnosis:
    """A symptom, and the failed tests it explains; the first is the evidence."""

    symptom: Symptom
    tests: tuple[Test, ...]

    def __str__(self) -> str:
        """The reason: "name: evidence (with it ...). Advice"."""
        first, *rest = self.tests
        also = f" (with it {join_names([test.numbers for test in rest])})" if rest else ""
        return f"{self.symptom.name}: {first.evidence or first.numbers}{also}. {self.symptom.advice}"


def diagnose(
    tests: Iterable[Test],
    measures: Sequence[Measure[Any]],
    measurements: Mapping[str, Measurement],
    fallback: Symptom,
) -> list[Diagnosis]:
    """Return the symptoms that together explain every failed test, in the order of their priority.

    Args:
        tests: Rows of the gate, named after their measures; only failed ones are read.
        fallback: Names the failed tests that no other symptom explains.
    """
    left = [test for test in tests if test.state == "fail"]
    groups = {measure.name: measure.group for measure in measures}
    symptoms = {symptom: None for measure in measures for symptom in measure.symptoms}
    naming = {symptom: {m.name for m in measures if symptom in m.symptoms} for symptom in symptoms}
    found = []
    for symptom in sorted(symptoms, key=lambda one: one.priority):
        own = [test for test in left if test.name in naming[symptom] or test.name in symptom.causes]
        if not own or (symptom.when is not None and not symptom.when(measurements)):
            continue
        own.sort(key=lambda test: order(symptom, test))
        rest = [test for test in left if test not in own and {test.name, groups[test.name]} & symptom.explains]
        found.append(Diagnosis(symptom, (*own, *rest)))
        left = [test for test in left if test not in own and test not in rest]
    return [*found, Diagnosis(fallback, tuple(left))] if left else found


def order(symptom: Symptom, test: Test) -> int:
    """Return the place of a test in the evidence: as `causes` lists them, the others after them."""
    return symptom.causes.index(test.name) if test.name in symptom.causes else len(symptom.causes)
