"""Render the report of an evaluation: the part of the page that all tasks share.

The page is a single file without references to other files. The verdict comes first.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.evaluation.verdict import Scale, Test, Verdict
from pipeline.measure import Measure, Measurement
from pipeline.reasons import split_reason

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Row:
    """One row of the table of measurements, as text.

    Attributes:
        null: The reference value.
        spread: Standard deviation of the reference value; empty if it was not estimated.
        z: Deviation of the value from the reference value in standard deviations; empty without a spread.
        before: Value in the previous run.
        bound: The values that pass the test; empty without a test.
        state: Result of the test.
    """

    name: str
    meaning: str
    value: str
    null: str = ""
    spread: str = ""
    z: str = ""
    before: str = ""
    bound: str = ""
    state: str = ""


def build_row(
    name: str,
    measure: Measure[Any],
    measurement: Measurement,
    test: Test | None,
    *,
    before: str = "",
) -> Row:
    """Build the row of a measure, in the scale of its test if it has one.

    Args:
        name: Name of the row.
        measure: The measure.
        measurement: Its value, with its null.
        test: Its test; None if nothing tests it.
        before: Value of the previous run.
    """
    if test is None:
        value, null, spread = measurement.value, measurement.null, measurement.spread
    else:
        value, null, spread = test.value, test.null, spread_of_test(measure, measurement)
    known = value is not None and bool(spread)  # without any spread, z is no number of standard deviations
    return Row(
        name,
        measure.explanation,
        format_number(value),
        measure.ideal if null is None else format_number(null),
        spread=format_number(spread) if known else "",
        z=f"{measurement.z:+.1f}" if known else "",
        before=before,
        bound=test.bound if test else "",
        state=test.state if test else "",
    )


def count_row(test: Test, meaning: str) -> Row:
    """Build the row of a test without a measure, such as that of non-finite samples."""
    return Row(test.name, meaning, format_number(test.value), bound=test.bound, state=test.state)


def spread_of_test(measure: Measure[Any], measurement: Measurement) -> float | None:
    """Return the spread of the null in the scale in which a test shows the null; None if it was not estimated."""
    scale, null, spread = Scale.of(measure, measurement), measurement.null, measurement.spread
    return spread * scale.null / null if spread is not None and null and scale.null else spread


def render_page(
    template: Path,
    verdict: Verdict,
    *,
    warnings: Sequence[str],
    rows: Sequence[Row],
    protocol: str,
    provenance: Mapping[str, str],
    compared: bool,
    reference_title: str,
    **more: object,
) -> str:
    """Render the template of a task, which extends base.html.j2. All values are escaped.

    Args:
        template: The template of the task.
        verdict: Verdict on the model.
        warnings: Warnings about the numbers.
        rows: Rows of the table of measurements.
        protocol: The protocol string.
        provenance: What was evaluated, by name.
        compared: Whether the rows contain the values of the previous run.
        reference_title: Heading of the column of reference values.
        more: Variables of the task's template.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([template.parent, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(
        passed=verdict.word == "pass",
        reasons=[split_reason(reason) for reason in verdict.reasons],
        warnings=warnings,
        skipped=verdict.skipped,
        rows=rows,
        spreads=any(row.spread for row in rows),
        protocol=protocol,
        provenance=provenance,
        compared=compared,
        reference_title=reference_title,
        **more,
    )


def format_number(value: object) -> str:
    """Format a number with four significant digits; None as a dash."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)


def data_uri(png: bytes) -> str:
    """Return a PNG as the source of an <img>."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
