"""The trend of a report: numbers in the scale of the table, and no line between different protocols."""

from typing import Any

import pytest

from pipeline.evaluation.report_head import build_head
from pipeline.evaluation.report_result import Result
from pipeline.evaluation.report_trend import HEIGHT, WIDTH, EvaluatedRun, draw_chart, value_of
from pipeline.evaluation.verdict import apply_bound
from pipeline.measure import Measure, Measurement

COVERAGE: Measure[Any] = Measure("coverage", lambda _: None, "", kind="relative", better="high", bound=0.8, place=1)
DISTANCE: Measure[Any] = Measure("distance", lambda _: None, "", better="low", bound=3.0, place=2)


def result(measure: Measure[Any], measurement: Measurement, suffix: str = "") -> Result:
    test = apply_bound(measure, measurement, None, measure.bound)
    return Result(measure.name, measure, measurement, test, measure.bound, suffix)


def run(name: str, verdict: str = "pass", protocol: str = "a", **metrics: float) -> EvaluatedRun:
    return EvaluatedRun(name, "", "", verdict, protocol, metrics)


def test_values_have_the_scale_of_the_table() -> None:
    coverage = result(COVERAGE, Measurement(0.9, 0.9), "_x2")
    assert value_of(coverage, {"coverage_x2": 0.72, "coverage_null_x2": 0.9}) == pytest.approx(0.8)
    assert value_of(coverage, {"coverage_x2": 0.72}) is None, "without the null the scale is unknown"
    assert value_of(coverage, {"coverage": 0.72, "coverage_null": 0.9}) is None
    assert value_of(result(DISTANCE, Measurement(1.0)), {"distance": 2.0}) == 2.0


def test_a_chart_goes_from_the_oldest_to_the_newest_run() -> None:
    runs = [
        run("old", "fail", distance=4.0),
        run("unmeasured"),
        run("mid", distance=2.0),
        run("this run", distance=3.0),
    ]
    chart = draw_chart(result(DISTANCE, Measurement(3.0)), runs)
    assert chart
    assert [point.words for point in chart.points] == ["old: 4, fail", "mid: 2, pass", "this run: 3, pass"]
    assert [point.x for point in chart.points] == sorted(point.x for point in chart.points)
    first, second, third = (point.y for point in chart.points)
    assert first < third < second, "larger numbers are higher"
    assert all(0 < point.x < WIDTH and 0 < point.y < HEIGHT for point in chart.points)
    assert len(chart.lines) == 1


def test_no_line_connects_different_protocols() -> None:
    runs = [run("1", distance=1.0), run("2", distance=2.0), run("3", protocol="b", distance=3.0)]
    chart = draw_chart(result(DISTANCE, Measurement(3.0)), runs)
    assert chart
    assert len(chart.points) == 3
    (line,) = chart.lines
    assert line.split() == [f"{point.x:g},{point.y:g}" for point in chart.points[:2]]
    head = build_head([[result(DISTANCE, Measurement(3.0))]], {}, runs)
    assert [(row.name, row.values, row.changed) for row in head.runs] == [
        ("1", ["1"], False),
        ("2", ["2"], False),
        ("3", ["3"], True),
    ]


@pytest.mark.parametrize("runs", [[], [run("this run", distance=1.0)], [run("old"), run("this run", distance=1.0)]])
def test_a_single_value_has_no_trend(runs: list[EvaluatedRun]) -> None:
    head = build_head([[result(DISTANCE, Measurement(1.0))]], {}, runs)
    assert head.numbers[0].chart is None
    assert head.runs == ()


def test_equal_values_are_drawn_on_one_level() -> None:
    chart = draw_chart(result(DISTANCE, Measurement(1.0)), [run("old", distance=1.0), run("new", distance=1.0)])
    assert chart
    assert {point.y for point in chart.points} == {HEIGHT / 2}
