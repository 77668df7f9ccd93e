"""model_card.md: what a person must know before using an exported generator."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from pipeline.serving.onnx.metadata import Metadata


class CardText(Protocol):
    """What a task says about its models; `pipeline.tasks` implements it."""

    @property
    def intended_use(self) -> str: ...

    @property
    def risk(self) -> str: ...

    @property
    def evidence_note(self) -> str: ...

    def describe(self, metadata: Metadata, /) -> str: ...

    def usage(self, metadata: Metadata, signature: Mapping[str, Any], /) -> str: ...


def render(
    task: CardText,
    metadata: Metadata,
    signature: Mapping[str, Any],
    settings: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    measured: Mapping[str, Any],
) -> str:
    """Markdown from what the model, its evaluation (metrics/evaluation.json) and its export (metrics/export.json) say.

    `settings` are the variant's own, as trained.
    """
    classes = ", ".join(metadata.classes) if metadata.classes else "none: the data has no labels"
    reasons = reasons_of(evaluation)
    verdict = f"**{metadata.verdict}**" + (
        ""
        if metadata.verdict == "pass"
        else f" ({'; '.join(reasons) or 'no reason recorded'}); exported because `export.allow_failed` is set"
    )
    numbers = {
        key: value
        for key, value in evaluation.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    return f"""# Model card: {metadata.variant} on {metadata.dataset_name}

{task.describe(metadata)}, exported by ganline {metadata.version}.

## Verdict

{verdict}

## What it was trained on

| | |
|---|---|
| data | {metadata.dataset_name} |
| fingerprint of the images and labels | `{metadata.dataset_fingerprint}` |
| classes | {classes} |
| images shown in training | {metadata.images_seen:,} |

## How

| | |
|---|---|
| variant | {metadata.variant} |
| settings | `{json.dumps(settings)}` |
| code | git commit `{metadata.git_commit}` |
| MLflow run | `{metadata.mlflow_run}` |

## How good it is

Protocol: {metadata.protocol}. Numbers of different protocols must not be compared.

{table(numbers)}

## The file

{table({key: value for key, value in measured.items() if value is not None})}

{tensors("Input", signature["inputs"])}

{tensors("Output", signature["outputs"])}
{"".join(further(graph) for graph in signature.get("further", []))}
{task.usage(metadata, signature)}
## Intended use

{task.intended_use}

## Limits

- It knows nothing but its training data, and repeats that data's gaps and biases.
- {task.risk}
- The numbers above are averages; a single image can be poor.
- It is not evidence: {task.evidence_note}
"""


def reasons_of(evaluation: Mapping[str, Any]) -> list[str]:
    """Why the gate decided as it did; a list whichever way it was stored."""
    reasons = evaluation.get("reasons") or []
    return [reasons] if isinstance(reasons, str) else [str(reason) for reason in reasons]


def table(values: Mapping[str, Any]) -> str:
    rows = [f"| {key} | {f'{value:.6g}' if isinstance(value, float) else value} |" for key, value in values.items()]
    return "\n".join(["| measure | value |", "|---|---|", *rows])


def further(graph: Mapping[str, Any]) -> str:
    """A section on a graph that is delivered beside the generator."""
    return f"""
## Beside it: {graph["file"]}

{tensors("Input", graph["inputs"])}

{tensors("Output", graph["outputs"])}
"""


def tensors(title: str, described: list[Mapping[str, Any]]) -> str:
    rows = [
        f"| `{one['name']}` | {one['dtype']} | {one['shape']} | {one['range'] or 'unbounded'} | {one['meaning']} |"
        for one in described
    ]
    return "\n".join([f"| {title} | dtype | shape (-1: batch) | range | meaning |", "|---|---|---|---|---|", *rows])
