"""The report on a generator: tests, measurements, classes and pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.evaluation.report_head import Head, build_head
from pipeline.evaluation.report_page import Exhibit, Row, build_row, count_row, data_uri, format_number, render_page
from pipeline.evaluation.report_result import Result
from pipeline.evaluation.report_trend import EvaluatedRun
from pipeline.evaluation.verdict import Scale
from pipeline.measure import Measure, Measurement
from pipeline.tasks.generate.blind_spots import list_blind_spots
from pipeline.tasks.generate.evaluator import Evaluation
from pipeline.tasks.generate.report_classes import ClassBlock
from pipeline.tasks.generate.report_pictures import Strip
from pipeline.tasks.generate.settings import SampleGate


@dataclass(frozen=True)
class Pictures:
    """PNG sheets; None if there is nothing to show.

    Attributes:
        classes: The classes, the worst first.
        failures: Pictures of the failed tests, by the name of the test.
        players: Captions, and elements of single items for media that a picture does not show.
    """

    real: bytes
    fake: bytes | None
    classes: Sequence[ClassBlock] = ()
    interpolations: bytes | None = None
    neighbours: bytes | None = None
    best: bytes | None = None
    worst: bytes | None = None
    plane: bytes | None = None
    profiles: Sequence[Strip] = ()
    failures: Mapping[str, Sequence[Exhibit]] = field(default_factory=dict)
    players: Sequence[tuple[str, Sequence[str]]] = ()


def render(
    evaluation: Evaluation,
    pictures: Pictures,
    provenance: Mapping[str, str],
    previous: Mapping[str, object] | None = None,
    runs: Sequence[EvaluatedRun] = (),
) -> str:
    """Return the page.

    Args:
        previous: Metrics of the previous run; shown if its protocol is the same.
        runs: The last runs, oldest first; the last is the present one.
    """
    data, metrics = evaluation.data, evaluation.metrics
    before = previous if previous and previous.get("protocol") == metrics["protocol"] else {}
    return render_page(
        Path(__file__).with_name("report.html.j2"),
        evaluation.verdict,
        warnings=evaluation.warnings,
        rows=measurement_rows(evaluation, before, pictures.failures),
        protocol=metrics["protocol"],
        provenance=provenance,
        compared=bool(before),
        reference_title="Real images",
        head=report_head(evaluation, runs),
        real=data_uri(pictures.real),
        fake=optional_uri(pictures.fake),
        classes=pictures.classes,
        all_classes=len(data.real.classes),
        asked=data.labels is not None,
        interpolations=optional_uri(pictures.interpolations),
        neighbours=optional_uri(pictures.neighbours),
        best=optional_uri(pictures.best),
        worst=optional_uri(pictures.worst),
        plane=optional_uri(pictures.plane),
        profiles=[(strip.name, strip.caption, data_uri(strip.picture)) for strip in pictures.profiles],
        players=pictures.players,
        among=metrics["neighbours_among"],
    )


def report_results(evaluation: Evaluation) -> list[Result]:
    """Return the measures that have a test, in the order of the tests, then those that nothing tests."""
    measures, found = {measure.name: measure for measure in evaluation.measures}, evaluation.measurements
    gate = evaluation.data.real.settings.gate
    tested = [
        Result(test.name, measure, found[test.name], test, getattr(gate, measure.key))
        for test in evaluation.verdict.tests
        if (measure := measures.get(test.name)) is not None
    ]
    others = [
        Result(name, measure, found[name])
        for name, measure in measures.items()
        if measure.better is None and measure.reported and found[name].value is not None
    ]
    return tested + others


def measurement_rows(
    evaluation: Evaluation, before: Mapping[str, object], exhibits: Mapping[str, Sequence[Exhibit]] | None = None
) -> list[Row]:
    """Return the rows of the tests, then those of the measurements that nothing tests.

    Args:
        before: Metrics of the previous run under the same protocol; empty without one.
        exhibits: Pictures of the failed tests, by the name of the test; None for none.
    """
    names = {measure.name for measure in evaluation.measures}
    counts = [test for test in evaluation.verdict.tests if test.name not in names]
    return [count_row(test, "samples without NaN or Inf") for test in counts] + [
        build_row(result, previous_value(result.measure, before), (exhibits or {}).get(result.name, ()))
        for result in report_results(evaluation)
    ]


def report_head(evaluation: Evaluation, runs: Sequence[EvaluatedRun] = ()) -> Head:
    """Return the head of the page; `runs` are the last ones, and the present one."""
    metrics = evaluation.metrics
    sizes = {
        "samples": metrics["n_fake"],
        "real test images": metrics["n_real"],
        "images on each side of a calibrated measure": metrics["n_calibrated"],
    }
    data = evaluation.data
    gate = data.real.settings.gate
    assert isinstance(gate, SampleGate)
    return build_head(
        [report_results(evaluation)],
        sizes,
        runs,
        significance=gate.significance,
        unseen=list_blind_spots(data, gate) if len(data) else (),
    )


def previous_value(measure: Measure[Any], before: Mapping[str, object]) -> str:
    """Format a value of the previous run as its test shows it; empty if that run did not measure it."""
    value, null = before.get(measure.name), before.get(f"{measure.name}_null")
    if not isinstance(value, int | float):
        return ""
    known = null if isinstance(null, int | float) else None
    return format_number(Scale.of(measure, Measurement(value, known)).value)


def optional_uri(png: bytes | None) -> str | None:
    """Return a PNG as the source of an <img>; None for None."""
    return data_uri(png) if png else None
