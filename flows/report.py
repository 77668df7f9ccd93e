"""What a run leaves to read: a markdown page of its stages and the metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.stages import Outcome, StageFailed


def markdown(outcomes: Sequence[Outcome], failure: StageFailed | None, metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """The stages with their states and times, why it stopped if it did, and every metric."""
    parts = []
    if failure is not None:
        parts += [f"**`{failure.stage}` stopped the run: {failure.reason}**", "```\n" + failure.message.replace("```", "'''") + "\n```"]
    rows = [(f"`{outcome.stage}`", outcome.state, f"{outcome.seconds:.1f} s") for outcome in outcomes]
    if failure is not None:
        rows.append((f"`{failure.stage}`", "Failed", failure.reason))
    parts.append(table(("stage", "state", "time"), rows))
    for name, values in metrics.items():
        parts += [f"### {name}", table(("metric", "value"), [(f"`{key}`", shown(value)) for key, value in values.items()])]
    if failure is not None and metrics:
        parts.append("Metrics of stages from the failed one on are those of an earlier run.")
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)


def shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return str(value)
