"""Render the report of an evaluation: the part of the page that all tasks share.

The page is a single file without references to other files. The verdict comes first.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.evaluation.report_result import Result
from pipeline.evaluation.verdict import Test, Verdict
from pipeline.evaluation.wording import format_verdict
from pipeline.reasons import split_reason

if TYPE_CHECKING:
    from jinja2 import Template
    from PIL import Image

    from pipeline.evaluation.report_head import Head

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Exhibit:
    """A picture that shows why a test failed, as PNG, and what it shows."""

    caption: str
    picture: bytes


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
        exhibits: Pictures that show why the test failed.
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
    exhibits: Sequence[Exhibit] = ()


def build_row(result: Result, before: str = "", exhibits: Sequence[Exhibit] = ()) -> Row:
    """Build the row of a measure; `before` is its value in the previous run."""
    test, measure, measurement = result.test, result.measure, result.measurement
    null = test.null if test else measurement.null
    known = result.value is not None and bool(result.spread)  # without any spread, z has no meaning
    return Row(
        result.name,
        measure.explanation,
        format_number(result.value),
        measure.ideal if null is None else format_number(null),
        spread=format_number(result.spread) if known else "",
        z=f"{measurement.z:+.1f}" if known else "",
        before=before,
        bound=test.bound if test else "",
        state=test.state if test else "",
        exhibits=exhibits,
    )


def count_row(test: Test, meaning: str) -> Row:
    """Build the row of a test without a measure, such as that of non-finite samples."""
    return Row(test.name, meaning, format_number(test.value), bound=test.bound, state=test.state)


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
    head: "Head | None" = None,
    **more: object,
) -> str:
    """Render the template of a task, which extends base.html.j2. All values are escaped.

    Args:
        template: The template of the task.
        verdict: Verdict on the model.
        warnings: Warnings about the numbers.
        rows: Rows of the table of measurements; the failed tests come first.
        protocol: The protocol string.
        provenance: What was evaluated, by name.
        compared: Whether the rows contain the values of the previous run.
        reference_title: Heading of the column of reference values.
        head: What the page shows below the verdict; None for nothing.
        more: Variables of the task's template.
    """
    return open_template(template).render(
        passed=verdict.word == "pass",
        words=format_verdict(verdict.word, list(verdict.untested)),
        untested=verdict.untested,
        near_bounds=verdict.near_bounds,
        exhibits=any(row.exhibits for row in rows),
        reasons=[split_reason(reason) for reason in verdict.reasons],
        warnings=warnings,
        skipped=verdict.skipped,
        rows=sorted(rows, key=lambda row: row.state != "fail"),
        spreads=any(row.spread for row in rows),
        protocol=protocol,
        provenance=provenance,
        compared=compared,
        reference_title=reference_title,
        head=head,
        **more,
    )


def open_template(template: Path) -> "Template":
    """Open a template that may use those next to it and those of this package; all values are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([template.parent, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = data_uri
    return environment.get_template(template.name)


def format_number(value: object) -> str:
    """Format a number with four significant digits; None as a dash."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)


def data_uri(png: bytes) -> str:
    """Return a PNG as the source of an <img>."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def encode_png(picture: "Image.Image") -> bytes:
    """Encode a picture as PNG."""
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()
