"""reports/evaluation.html, the part that all tasks share: one file without references to others, the verdict first."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.evaluation.verdict import Test, Verdict

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Row:
    """One row of the table of measurements, as text: `null` is what it is compared with, `before` the previous run."""

    name: str
    meaning: str
    value: str
    null: str
    before: str
    bound: str
    state: str


def row_of(test: Test, meaning: str, before: str = "") -> Row:
    """Return the row of a test."""
    return Row(test.name, meaning, number(test.value), number(test.null), before, test.bound, test.state)


def page(
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
    """Render a task's template, which extends base.html.j2. Everything that is not markup is escaped.

    Args:
        provenance: What was evaluated, by name.
        compared: Whether the rows hold the values of the previous run.
        reference_title: Heading of the column of reference values.
        more: What the task's own template reads.
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
        reasons=[reason.partition(": ") for reason in verdict.reasons],
        warnings=warnings,
        skipped=verdict.skipped,
        rows=rows,
        protocol=protocol,
        provenance=provenance,
        compared=compared,
        reference_title=reference_title,
        **more,
    )


def number(value: object) -> str:
    """Format a number with four significant digits; None as a dash."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)


def data_uri(png: bytes) -> str:
    """Return a PNG as the source of an <img>."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
