"""What no test could see: names without a test, with the reason, and bounds within chance."""

from typing import Any

import pytest

from pipeline.evaluation.blind_spots import find_blind_spots
from pipeline.evaluation.report_result import Result
from pipeline.evaluation.verdict import apply_bound
from pipeline.measure import Bound, Measure, Measurement, Symptom

MISSING, DULL = Symptom("missing classes", 1, ""), Symptom("low diversity", 2, "")
CLASSES: Measure[Any] = Measure("classes", lambda _: None, "", better="low", bound=0.5, symptoms=(MISSING, DULL))
RECALL: Measure[Any] = Measure(
    "recall", lambda _: None, "", kind="relative", better="high", bound=0.5, symptoms=(DULL,)
)
SHARE: Measure[Any] = Measure("share", lambda _: None, "", kind="excess", better="low", bound=0.03, symptoms=(DULL,))


def result(measure: Measure[Any], measurement: Measurement, setting: Bound | str = "default") -> Result:
    bound = measure.bound if isinstance(setting, str) else setting
    return Result(measure.name, measure, measurement, apply_bound(measure, measurement, None, bound), bound)


def test_a_name_that_only_skipped_tests_give_is_unseen_with_the_reason() -> None:
    skipped = result(CLASSES, Measurement(None, skip="the data has no classes"))
    seen = result(RECALL, Measurement(0.9, 0.9, 0.01))
    assert find_blind_spots([skipped, seen]) == ["missing classes: the data has no classes"]
    assert find_blind_spots([skipped]) == ["missing classes and low diversity: the data has no classes"]
    assert find_blind_spots([result(CLASSES, Measurement(0.1)), seen]) == []


def test_a_test_that_is_switched_off_leaves_its_names_unseen() -> None:
    assert find_blind_spots([result(RECALL, Measurement(0.9, 0.9), None)]) == ["low diversity: switched off"]


@pytest.mark.parametrize(
    ("measure", "measurement", "expected"),
    [
        (RECALL, Measurement(0.7, 0.8, 0.01), ""),
        (RECALL, Measurement(0.7, 0.8, 0.12), "recall down to 0.25 (bound >= 0.5)"),
        (SHARE, Measurement(0.02, 0.01, 0.005), ""),
        (SHARE, Measurement(0.02, 0.01, 0.02), "share up to 0.1 (bound <= 0.03)"),
        (SHARE, Measurement(0.02, 0.01), ""),
    ],
)
def test_a_bound_within_chance_hides_failures(measure: Measure[Any], measurement: Measurement, expected: str) -> None:
    found = find_blind_spots([result(measure, measurement)])
    assert found == ([f"differences that may be chance with so few items: {expected}"] if expected else [])
