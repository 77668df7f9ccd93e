"""What a run leaves to read: a markdown page of its stages and the metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.stages import Outcome, StageFailed

CHECK = ("name", "state", "value", "champion", "bound", "reason")


def markdown(
    outcomes: Sequence[Outcome],
    failure: StageFailed | None,
    metrics: Mapping[str, Mapping[str, Any]],
    promotion: Mapping[str, Any] | None = None,
) -> str:
    """The stages with their states and times, why it stopped if it did, what became of the model, and every metric."""
    parts = []
    if promotion is not None:
        parts.append(
            "\n".join([f"**{headline(promotion)}**", "", *(f"- {reason}" for reason in promotion["reasons"])]).strip()
        )
    if failure is not None:
        parts += [
            f"**`{failure.stage}` stopped the run: {failure.reason}**",
            "```\n" + failure.message.replace("```", "'''") + "\n```",
        ]
    rows = [(f"`{outcome.stage}`", outcome.state, f"{outcome.seconds:.1f} s") for outcome in outcomes]
    if failure is not None:
        rows.append((f"`{failure.stage}`", "Failed", failure.reason))
    parts.append(table(("stage", "state", "time"), rows))
    for name, values in metrics.items():
        parts += [
            f"### {name}",
            table(("metric", "value"), [(f"`{key}`", shown(value)) for key, value in values.items()]),
        ]
    if failure is not None and metrics:
        parts.append("Metrics of stages from the failed one on are those of an earlier run.")
    return "\n\n".join(parts) + "\n"


def headline(promotion: Mapping[str, Any]) -> str:
    """One line of what `ganline promote` decided."""
    name, before = f"{promotion['model']} version {promotion['version']}", promotion["champion"]
    return {
        "promoted": f"{name} is promoted"
        + (f": champion instead of version {before}" if before is not None else ": the first champion"),
        "champion": f"{name} is the champion",
    }.get(
        promotion["outcome"],
        f"{name} is not promoted" + (f": version {before} stays champion" if before is not None else ""),
    )


def checks(promotion: Mapping[str, Any]) -> list[dict[str, str]]:
    """Rows of a table: every check of a promotion."""
    return [
        {name: shown(check.get(name)) if check.get(name) is not None else "" for name in CHECK}
        for check in promotion["checks"]
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )


def shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return str(value)
