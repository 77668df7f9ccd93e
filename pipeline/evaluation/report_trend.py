"""The trend at the head of a report: verdict and most important numbers over the last runs, the newest last.

Numbers under different protocols are never compared: no line connects them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.evaluation.report_page import format_number
from pipeline.evaluation.report_result import Result
from pipeline.evaluation.verdict import Scale
from pipeline.measure import Measurement

WIDTH, HEIGHT, MARGIN = 160.0, 40.0, 6.0
"""Size of a chart and its margin, in the units of its drawing."""


@dataclass(frozen=True)
class EvaluatedRun:
    """A run and its evaluation.

    Attributes:
        name: Name of the run.
        address: Its page; empty for none.
        date: When it started; empty if unknown.
        verdict: "pass" or "fail".
        protocol: The protocol of the metrics.
        metrics: Flat metrics.
    """

    name: str
    address: str
    date: str
    verdict: str
    protocol: str
    metrics: Mapping[str, object]


@dataclass(frozen=True)
class Point:
    """A run in a chart; `words` say its name, value and verdict."""

    x: float
    y: float
    verdict: str
    words: str


@dataclass(frozen=True)
class Chart:
    """A number over runs.

    Attributes:
        points: Runs with a value.
        lines: Corners of each line, as an SVG polyline takes them.
        words: What the chart shows.
    """

    points: Sequence[Point]
    lines: Sequence[str]
    words: str


@dataclass(frozen=True)
class TrendRow:
    """A run in the table of runs; `changed`: its protocol differs from that of the run before."""

    name: str
    address: str
    date: str
    verdict: str
    values: Sequence[str]
    changed: bool


def value_of(result: Result, metrics: Mapping[str, object]) -> float | None:
    """Return the value of a measure in flat metrics, in the scale in which the report shows it; None if unknown."""
    value, null = metrics.get(result.key), metrics.get(f"{result.measure.name}_null{result.suffix}")
    if not isinstance(value, int | float):
        return None
    known = null if isinstance(null, int | float) else None
    if result.test is None or result.measure.kind == "absolute" or result.measurement.null is None:
        return value
    return None if known is None else Scale.of(result.measure, Measurement(value, known)).value


def draw_chart(result: Result, runs: Sequence[EvaluatedRun]) -> Chart | None:
    """Return the chart of a number; None with fewer than two values."""
    values = [value_of(result, run.metrics) for run in runs]
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    low, high = min(known), max(known)
    step = (WIDTH - 2 * MARGIN) / (len(runs) - 1)
    points: list[Point] = []
    lines: list[list[str]] = []
    protocol = ""
    for k, (run, value) in enumerate(zip(runs, values, strict=True)):
        if value is None:
            continue
        share = (value - low) / (high - low) if high > low else 0.5
        x, y = round(MARGIN + k * step, 1), round(HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN), 1)
        points.append(Point(x, y, run.verdict, f"{run.name}: {format_number(value)}, {run.verdict}"))
        if not lines or run.protocol != protocol:
            lines.append([])
        lines[-1].append(f"{x:g},{y:g}")
        protocol = run.protocol
    words = f"{result.name} over {len(known)} runs: {format_number(known[0])} to {format_number(known[-1])}"
    return Chart(points, [" ".join(line) for line in lines if len(line) > 1], words)


def trend_rows(results: Sequence[Result], runs: Sequence[EvaluatedRun]) -> list[TrendRow]:
    """Return the table of runs, oldest first."""
    protocols = ["", *(run.protocol for run in runs)]
    return [
        TrendRow(
            run.name,
            run.address,
            run.date,
            run.verdict,
            [format_number(value_of(result, run.metrics)) for result in results],
            changed=bool(before) and before != run.protocol,
        )
        for run, before in zip(runs, protocols[:-1], strict=True)
    ]
