"""The report on a generator: tests, measurements, classes and pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluation.measures.modes import Modes
from pipeline.evaluation.report_head import Head, build_head
from pipeline.evaluation.report_page import Exhibit, Row, build_row, count_row, data_uri, format_number, render_page
from pipeline.evaluation.report_result import Result
from pipeline.evaluation.verdict import Scale
from pipeline.measure import Measure, Measurement
from pipeline.tasks.generate.evaluator import Evaluation

BARS = 40
"""Classes in the histogram, at most; of more, those furthest from their share."""


@dataclass(frozen=True)
class Strip:
    """Samples of one class: a PNG, None without samples; `caption` says what it shows."""

    name: str
    count: int
    picture: bytes | None
    caption: str = ""


@dataclass(frozen=True)
class Pictures:
    """PNG sheets; None if there is nothing to show.

    Attributes:
        asked: Strips show the class asked for, not the predicted one.
        failures: Pictures of the failed tests, by the name of the test.
    """

    real: bytes
    fake: bytes | None
    strips: Sequence[Strip] = ()
    asked: bool = False
    interpolations: bytes | None = None
    neighbours: bytes | None = None
    best: bytes | None = None
    worst: bytes | None = None
    plane: bytes | None = None
    profiles: Sequence[Strip] = ()
    failures: Mapping[str, Sequence[Exhibit]] = field(default_factory=dict)


@dataclass(frozen=True)
class Bar:
    """The shares of one class, in percent of the widest bar and in words."""

    name: str
    real: float
    fake: float
    words: str
    missing: bool


def render(
    evaluation: Evaluation,
    pictures: Pictures,
    provenance: Mapping[str, str],
    previous: Mapping[str, object] | None = None,
) -> str:
    """Return the page.

    Args:
        previous: Metrics of the previous run; shown if its protocol is the same.
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
        head=report_head(evaluation),
        real=data_uri(pictures.real),
        fake=optional_uri(pictures.fake),
        strips=[(strip.name, f"{strip.count:,}", optional_uri(strip.picture)) for strip in pictures.strips],
        asked=pictures.asked,
        interpolations=optional_uri(pictures.interpolations),
        neighbours=optional_uri(pictures.neighbours),
        best=optional_uri(pictures.best),
        worst=optional_uri(pictures.worst),
        plane=optional_uri(pictures.plane),
        profiles=[(strip.name, strip.caption, optional_uri(strip.picture)) for strip in pictures.profiles],
        among=metrics["neighbours_among"],
        by_class=[
            (one.name, f"{one.count:,}", f"{100 * one.agreement:.1f} %", format_number(one.fid_ratio))
            for one in data.class_distances
        ],
        bars=class_bars(data.modes, data.real.classes) if data.modes else [],
        all_classes=len(data.real.classes),
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


def report_head(evaluation: Evaluation) -> Head:
    """Return the head of the page."""
    metrics = evaluation.metrics
    sizes = {
        "samples": metrics["n_fake"],
        "real test images": metrics["n_real"],
        "images on each side of a calibrated measure": metrics["n_calibrated"],
    }
    return build_head([report_results(evaluation)], sizes)


def previous_value(measure: Measure[Any], before: Mapping[str, object]) -> str:
    """Format a value of the previous run as its test shows it; empty if that run did not measure it."""
    value, null = before.get(measure.name), before.get(f"{measure.name}_null")
    if not isinstance(value, int | float):
        return ""
    known = null if isinstance(null, int | float) else None
    return format_number(Scale.of(measure, Measurement(value, known)).value)


def class_bars(modes: Modes, classes: Sequence[str]) -> list[Bar]:
    """Return the class histograms of samples and real items; of many classes those furthest from their share."""
    real, fake = modes.real / modes.real.sum(), modes.fake / max(int(modes.fake.sum()), 1)
    chosen = np.sort(np.argsort(-np.abs(fake - real), kind="stable")[:BARS])
    widest = max(float(real[chosen].max()), float(fake[chosen].max()))
    missing = set(modes.missing)
    return [
        Bar(
            classes[c],
            round(100 * float(real[c]) / widest, 2),
            round(100 * float(fake[c]) / widest, 2),
            f"real {100 * real[c]:.1f} %, generated {100 * fake[c]:.1f} % ({int(modes.fake[c]):,})",
            int(c) in missing,
        )
        for c in chosen
    ]


def optional_uri(png: bytes | None) -> str | None:
    """Return a PNG as the source of an <img>; None for None."""
    return data_uri(png) if png else None
