"""The head of a report: the most important numbers, sample sizes, what was not tested, and the tightest test."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.evaluation.blind_spots import find_blind_spots
from pipeline.evaluation.report_page import format_number
from pipeline.evaluation.report_result import Result
from pipeline.evaluation.report_trend import Chart, EvaluatedRun, TrendRow, draw_chart, trend_rows
from pipeline.evaluation.verdict import SIGNIFICANCE
from pipeline.evaluation.wording import percent

SHOWN = 3
"""Numbers at the head of the report."""

SHOWN_PARTS = 4
"""Of more parts, such as directions of a translation, the head shows the worst of each number."""


@dataclass(frozen=True)
class Headline:
    """One of the most important numbers, as text.

    Attributes:
        interval: Its interval; empty if unknown.
        basis: What the interval covers.
        chart: The number over the last runs; None without any.
    """

    name: str
    meaning: str
    value: str
    interval: str
    basis: str
    state: str
    chart: Chart | None = None


@dataclass(frozen=True)
class Head:
    """What the head of the report shows below the verdict.

    Attributes:
        sizes: Numbers of items, by what they are.
        nearest: The passed test that is nearest to its bound; empty if none can be compared.
        off: Tests that are on by default and switched off by the settings.
        unseen: What no test could see, "what: why".
        runs: The last runs, oldest first; empty if this is the only one.
    """

    numbers: Sequence[Headline] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    nearest: str = ""
    off: Sequence[str] = ()
    unseen: Sequence[str] = ()
    runs: Sequence[TrendRow] = ()


def build_head(
    parts: Sequence[Sequence[Result]],
    sizes: Mapping[str, int],
    runs: Sequence[EvaluatedRun] = (),
    *,
    significance: float = SIGNIFICANCE,
    unseen: Sequence[str] = (),
) -> Head:
    """Build the head of a report.

    Args:
        parts: Results of each part of the model that is measured for itself.
        sizes: Numbers of items, by what they are.
        runs: The last runs, oldest first; the last is the one that the report is about.
        significance: Standard deviations of the null that a failure must exceed.
        unseen: What the task knows that no test could see, "what: why".
    """
    results = [result for part in parts for result in part]
    first = [result for part in parts for result in first_measured(part)]
    if len(parts) > SHOWN_PARTS:
        first = worst_of_each(first)
    numbers = [replace(headline(result), chart=draw_chart(result, runs)) for result in first]
    return Head(
        numbers=numbers,
        sizes=sizes,
        nearest=describe_nearest(results),
        off=[
            result.name
            for result in results
            if result.test and result.test.state == "off" and result.measure.bound is not None
        ],
        unseen=[*find_blind_spots(results, significance), *unseen],
        runs=trend_rows(first, runs) if any(number.chart for number in numbers) else (),
    )


def first_measured(results: Sequence[Result]) -> list[Result]:
    """Return the results with the first places that have a value."""
    placed = [(result.measure.place, result) for result in results if result.measure.place is not None]
    return [result for _, result in sorted(placed, key=lambda pair: pair[0]) if result.value is not None][:SHOWN]


def worst_of_each(results: Sequence[Result]) -> list[Result]:
    """Return the result with the smallest margin to its bound, of each measure."""
    worst: dict[str, Result] = {}
    for result in sorted(results, key=lambda one: math.inf if one.margin is None else one.margin):
        worst.setdefault(result.measure.name, result)
    return [worst[name] for name in dict.fromkeys(result.measure.name for result in results)]


def headline(result: Result) -> Headline:
    """Format one of the most important numbers."""
    interval = result.interval
    return Headline(
        result.name,
        result.measure.explanation,
        format_number(result.value),
        f"{format_number(interval.low)} to {format_number(interval.high)}" if interval else "",
        interval.meaning if interval else "",
        result.test.state if result.test else "",
    )


def describe_nearest(results: Sequence[Result]) -> str:
    """Return the passed test with the smallest margin in words; empty if there is none."""
    margins = [
        (margin, result.test)
        for result in results
        if result.test and result.test.state == "pass" and (margin := result.margin) is not None
    ]
    if not margins:
        return ""
    margin, test = min(margins, key=lambda pair: pair[0])
    if margin < 0:
        return f"{test.numbers}: beyond its bound, but not significantly"
    return f"{test.numbers}: {percent(margin)} of the distance between reference and bound is left"
