"""The head of a report: which numbers it shows, in which scale, and the test nearest to its bound."""

import dataclasses
from typing import Any

import pytest

from pipeline.evaluation.report_head import build_head
from pipeline.evaluation.report_result import Result
from pipeline.evaluation.verdict import apply_bound
from pipeline.measure import Bound, Interval, Measure, Measurement

COVERAGE: Measure[Any] = Measure("coverage", lambda _: None, "", kind="relative", better="high", bound=0.8, place=2)
DISTANCE: Measure[Any] = Measure("distance", lambda _: None, "", better="low", bound=3.0, place=1)
BINS: Measure[Any] = Measure("bins", lambda _: None, "", kind="excess", better="low", bound=0.1, place=3)
KL: Measure[Any] = Measure("kl", lambda _: None, "", kind="excess", better="low", bound=0.1, raw=True, place=4)
SHARE: Measure[Any] = Measure("share", lambda _: None, "", better="range", bound=(0.5, 2.0))


def result(measure: Measure[Any], measurement: Measurement, setting: Bound | str = "default") -> Result:
    bound = measure.bound if isinstance(setting, str) else setting
    return Result(measure.name, measure, measurement, apply_bound(measure, measurement, None, bound), bound)


def interval(low: float, high: float) -> Interval:
    return Interval(low, high, "range of draws")


def test_the_first_three_numbers_that_were_measured_are_shown() -> None:
    results = [
        result(KL, Measurement(0.02, 0.01)),
        result(COVERAGE, Measurement(0.9, 0.9)),
        result(DISTANCE, Measurement(None, skip="too few images")),
        result(BINS, Measurement(0.02, 0.01)),
        result(SHARE, Measurement(1.0, 1.0)),
    ]
    assert [number.name for number in build_head([results], {}).numbers] == ["coverage", "bins", "kl"]
    assert len(build_head([results, results], {}).numbers) == 6


def test_of_many_parts_the_worst_of_each_number_is_shown() -> None:
    def part(number: int, coverage: float, distance: float | None) -> list[Result]:
        found = [result(COVERAGE, Measurement(coverage, 1.0)), result(DISTANCE, Measurement(distance, 1.0))]
        return [dataclasses.replace(one, name=f"{one.name} {number}") for one in found]

    parts = [part(1, 0.9, 1.1), part(2, 0.7, None), part(3, 0.95, 2.5), part(4, 0.99, 1.2)]
    assert len(build_head(parts, {}).numbers) == 7
    head = build_head([*parts, part(5, 1.0, 1.0)], {})
    assert [number.name for number in head.numbers] == ["distance 3", "coverage 2"]


def test_intervals_have_the_scale_of_the_bound() -> None:
    coverage = result(COVERAGE, Measurement(0.72, 0.9, 0.01, interval=interval(0.63, 0.81)))
    bins = result(BINS, Measurement(0.05, 0.02, 0.01, interval=interval(0.04, 0.06)))
    kl = result(KL, Measurement(0.05, 0.02, 0.01, interval=interval(0.04, 0.06)))
    head = build_head([[coverage, bins, kl]], {})
    assert [(number.value, number.interval) for number in head.numbers] == [
        ("0.8", "0.7 to 0.9"),
        ("0.03", "0.02 to 0.04"),
        ("0.05", "0.04 to 0.06"),
    ]


@pytest.mark.parametrize(
    ("measure", "measurement", "expected"),
    [
        (COVERAGE, Measurement(0.81, 0.9), 0.5),
        (DISTANCE, Measurement(2.0, 1.0), 0.5),
        (BINS, Measurement(0.07, 0.02), 0.5),
        (KL, Measurement(0.07, 0.02), 0.5),
        (SHARE, Measurement(1.5, 1.0), 0.5),
        (SHARE, Measurement(0.625, 1.0), 0.25),
        (DISTANCE, Measurement(1.0, 1.0), 1.0),
        (DISTANCE, Measurement(2.0), None),
        (DISTANCE, Measurement(None, 1.0), None),
        (DISTANCE, Measurement(2.0, 3.0), None),
    ],
)
def test_the_margin_is_0_at_the_bound_and_1_at_the_null(
    measure: Measure[Any], measurement: Measurement, expected: float | None
) -> None:
    assert result(measure, measurement).margin == (expected if expected is None else pytest.approx(expected))


def test_the_passed_test_with_the_smallest_margin_is_the_nearest() -> None:
    far, near = result(DISTANCE, Measurement(1.5, 1.0)), result(COVERAGE, Measurement(0.81, 0.9))
    beyond = result(SHARE, Measurement(2.1, 1.0, 1.0))
    failed = result(BINS, Measurement(0.5, 0.02))
    assert failed.test
    assert failed.test.state == "fail"
    assert build_head([[far, near, failed]], {}).nearest == (
        "coverage 0.9 (bound >= 0.8, real images 1): 50 % of the distance between reference and bound is left"
    )
    assert build_head([[far, beyond]], {}).nearest.endswith("beyond its bound, but not significantly")
    assert build_head([[failed]], {}).nearest == ""


def test_tests_that_were_switched_off_are_listed() -> None:
    assert build_head([[result(COVERAGE, Measurement(0.9, 0.9), None)]], {}).off == ["coverage"]
