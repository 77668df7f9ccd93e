"""Render what a run reports: a Markdown page of stages and metrics, and the rows of the promotion's checks."""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.stages import StageFailed, StageResult

CHECK = ("name", "state", "value", "champion", "bound", "reason")


def render_markdown(
    results: Sequence[StageResult],
    failure: StageFailed | None,
    metrics: Mapping[str, Mapping[str, Any]],
    promotion: Mapping[str, Any] | None = None,
) -> str:
    """Return a page with the promotion's decision, the failure if there is one, the stages and all metrics."""
    parts = []
    if promotion is not None:
        lines = [f"**{format_headline(promotion)}**", "", *(f"- {reason}" for reason in promotion["reasons"])]
        parts.append("\n".join(lines).strip())
    if failure is not None:
        parts += [
            f"**`{failure.stage}` stopped the run: {failure.reason}**",
            "```\n" + failure.message.replace("```", "'''") + "\n```",
        ]
    rows = [(f"`{result.stage}`", result.state, f"{result.seconds:.1f} s") for result in results]
    if failure is not None:
        rows.append((f"`{failure.stage}`", "Failed", failure.reason))
    parts.append(render_table(("stage", "state", "time"), rows))
    for name, values in metrics.items():
        cells = [(f"`{key}`", format_value(value)) for key, value in values.items()]
        parts += [f"### {name}", render_table(("metric", "value"), cells)]
    if failure is not None and metrics:
        parts.append(f"Metrics of `{failure.stage}` and of later stages are from an earlier run.")
    return "\n\n".join(parts) + "\n"


def format_headline(promotion: Mapping[str, Any]) -> str:
    """Return one line that states what `ganline promote` decided."""
    name, before = f"{promotion['model']} version {promotion['version']}", promotion["champion"]
    if promotion["outcome"] == "promoted":
        replaced = f"champion instead of version {before}" if before is not None else "the first champion"
        return f"{name} is promoted: {replaced}"
    if promotion["outcome"] == "champion":
        return f"{name} is the champion"
    decided = "is held: needs approval" if promotion["outcome"] == "held" else "is not promoted"
    return f"{name} {decided}" + (f": version {before} stays champion" if before is not None else "")


def format_checks(promotion: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the checks of a promotion as table rows of text."""
    return [
        {name: "" if check.get(name) is None else format_value(check[name]) for name in CHECK}
        for check in promotion["checks"]
    ]


def render_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )


def format_value(value: Any) -> str:
    """Return a metric as text: floats with six digits, lists joined by semicolons."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return str(value)
