"""The gate: compare measurements with their bounds, and diagnose what failed."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.evaluation.diagnosis import Diagnosis, diagnose
from pipeline.evaluation.unfinished import unfinished_reason
from pipeline.evaluation.verdict import Test, Verdict, apply_bound, finite_test
from pipeline.measure import Measure, Measurement, Symptom
from pipeline.tasks.generate.sample_set import SampleSet
from pipeline.tasks.generate.settings import SampleGate
from pipeline.tasks.generate.symptoms import LOW_FIDELITY


def apply_gate(
    data: SampleSet,
    measures: Sequence[Measure[Any]],
    measurements: Mapping[str, Measurement],
    settings: SampleGate,
) -> Verdict:
    """Return the verdict: a test for each measure with a bound, and a reason for each symptom."""

    def test(measure: Measure[Any], measurement: Measurement, data: SampleSet) -> Test:
        bound = getattr(settings, measure.key)
        return apply_bound(measure, measurement, data, bound, significance=settings.significance)

    def recheck(symptom: Symptom, failed: Sequence[Test]) -> set[str]:
        """Return the names of the failed tests that pass without a symptom."""
        assert symptom.undo is not None
        if not failed:
            return set()
        names, without = {test.name for test in failed}, symptom.undo(data)
        again = [test(measure, take(measure, without), without) for measure in measures if measure.name in names]
        return {one.name for one in again if one.state == "pass"}

    tests = [
        test(measure, measurements[measure.name], data)
        for measure in measures
        if measure.better is not None and data.concerns(measure.needs)
    ]

    def name_part(diagnosis: Diagnosis) -> Diagnosis:
        """Return the diagnosis named by what is wrong with the samples that it is about, if the medium can say so."""
        own = [measure for measure in data.real.medium.appearance() if measure in measures]
        if diagnosis.symptom.only is None or not any(symptom.of_part for one in own for symptom in one.symptoms):
            return diagnosis
        part = diagnosis.symptom.only(data)
        found = {measure.name: take(measure, part) for measure in own}
        failed = [test(one, found[one.name], part) for one in own if one.better and data.concerns(one.needs)]
        first, *_ = diagnose(failed, own, found, LOW_FIDELITY) or [diagnosis]
        return diagnosis.named_by(first, len(part) / len(data)) if first.symptom.of_part else diagnosis

    diagnoses = diagnose(tests, measures, measurements, LOW_FIDELITY, recheck)
    reasons = [str(name_part(diagnosis)) for diagnosis in diagnoses]
    if reasons:
        reasons = unfinished_reason({"Fréchet distance": data.looks}) + reasons
    return Verdict([finite_test("finite samples", len(data), data.total), *tests], nonfinite_reason(data) + reasons)


def take(measure: Measure[Any], data: SampleSet) -> Measurement:
    """Return a measurement; without finite samples, or where the measure does not apply, why there is none."""
    unmet = data.unmet(measure.needs)
    found = Measurement(None, skip=unmet) if unmet else measure.measure(data)
    return Measurement(None, skip="no finite samples to measure") if found.value is None and not len(data) else found


def nonfinite_reason(data: SampleSet) -> list[str]:
    """Return why a generator fails that makes NaN or Inf; empty if it makes none."""
    if not data.nonfinite:
        return []
    return [
        f"non-finite samples: {data.nonfinite:,} of {data.total:,} hold NaN or Inf; the generator diverged. "
        "Try a lower train.learning_rate, or model.penalties.r1 above 0; "
        "train.precision float32 where it was bfloat16"
    ]
