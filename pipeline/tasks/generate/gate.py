"""The gate: compare measurements with their bounds, and diagnose what failed."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.evaluation.diagnosis import diagnose
from pipeline.evaluation.verdict import Verdict, apply_bound, finite_test
from pipeline.measure import Measure, Measurement
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
    tests = [
        apply_bound(
            measure,
            measurements[measure.name],
            data,
            getattr(settings, measure.key),
            significance=settings.significance,
        )
        for measure in measures
        if measure.better is not None and data.concerns(measure.needs)
    ]
    reasons = [str(diagnosis) for diagnosis in diagnose(tests, measures, measurements, LOW_FIDELITY)]
    return Verdict([finite_test("finite samples", len(data), data.total), *tests], nonfinite_reason(data) + reasons)


def nonfinite_reason(data: SampleSet) -> list[str]:
    """Return why a generator fails that makes NaN or Inf; empty if it makes none."""
    if not data.nonfinite:
        return []
    return [
        f"non-finite samples: {data.nonfinite:,} of {data.total:,} hold NaN or Inf; the generator diverged. "
        "Try a lower train.learning_rate, or model.penalties.r1 above 0; "
        "train.precision float32 where it was bfloat16"
    ]
