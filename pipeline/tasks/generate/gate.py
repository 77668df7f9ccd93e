"""The gate: compare measurements with their bounds, and diagnose what failed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.evaluation.diagnosis import diagnose
from pipeline.evaluation.verdict import Test, Verdict, apply_bound, finite_test
from pipeline.measure import Measure, Measurement, Symptom
from pipeline.tasks.generate.sample_set import SampleSet
from pipeline.tasks.generate.settings import SampleGate
from pipeline.tasks.generate.symptoms import LOW_FIDELITY

IMPROVING = 0.9
"""Training still improves if its last health checks are at most this multiple of those before."""


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
    reasons = [str(diagnosis) for diagnosis in diagnose(tests, measures, measurements, LOW_FIDELITY, recheck)]
    if reasons:
        reasons = unfinished_reason(data.looks) + reasons
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


def unfinished_reason(looks: Sequence[float]) -> list[str]:
    """Return that training stopped too early, if its last health checks still improved; else nothing.

    Args:
        looks: Fréchet distances of the health checks, oldest first.
    """
    looks = [look for look in looks if np.isfinite(look)]
    some = max(2, len(looks) // 4)
    if len(looks) < 2 * some:
        return []
    before, last = (float(np.median(part)) for part in (looks[-2 * some : -some], looks[-some:]))
    if last > IMPROVING * before:
        return []
    return [
        f"stopped while still improving: the Fréchet distance of the last {some} health checks is {last:.3g}, "
        f"that of the {some} before them {before:.3g}. Raise train.total_images"
    ]
