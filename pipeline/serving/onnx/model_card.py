"""model_card.md: what a user must know about an exported generator."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.media.base import Medium
from pipeline.media.registry import find_medium
from pipeline.reasons import split_reason
from pipeline.serving.onnx.metadata import Metadata


@dataclass(frozen=True)
class CardWords:
    """Sentences of the model card; {noun} stands for one item.

    Attributes:
        intended_use: What the model is good for.
        risk: What to check before using its output.
        evidence_note: Why its output is not evidence.
    """

    intended_use: str
    risk: str
    evidence_note: str


class CardText(Protocol):
    """The text that a task contributes to the model card; `pipeline.tasks` implements it."""

    def words(self, medium: Medium, /) -> CardWords:
        """Return the sentences for items of a medium."""

    def describe(self, metadata: Metadata, /) -> str:
        """Return what the model is."""

    def usage(self, metadata: Metadata, signature: Mapping[str, Any], /) -> str:
        """Return the section on how to use it."""


def render_card(
    task: CardText,
    metadata: Metadata,
    signature: Mapping[str, Any],
    *,
    settings: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    measured: Mapping[str, Any],
) -> str:
    """Return the model card as Markdown.

    Args:
        settings: Of the variant, as trained.
        evaluation: Content of metrics/evaluation.json.
        measured: Content of metrics/export.json.
    """
    medium = find_medium(metadata.item.medium)
    noun, words = medium.noun, task.words(medium)
    return f"""# Model card: {metadata.variant} on {metadata.dataset_name}

{task.describe(metadata)}, exported by ganline {metadata.version}.

## Verdict

{verdict_text(metadata, evaluation)}

{training_text(metadata, settings)}
## Evaluation

Protocol: {metadata.protocol}. Do not compare numbers of different protocols.

{measure_table(scores_of(evaluation))}

## File

Needs ONNX Runtime {signature["onnxruntime"].removeprefix(">=")} or newer.

{measure_table({key: value for key, value in measured.items() if value is not None})}

{tensor_table("Input", signature["inputs"])}

{tensor_table("Output", signature["outputs"])}
{"".join(further_graph(graph) for graph in signature.get("further", []))}
{task.usage(metadata, signature)}
## Intended use

{words.intended_use.format(noun=noun)}

## Limits

- The model knows only its training data and repeats that data's gaps and biases.
- {words.risk.format(noun=noun)}
- The numbers above are averages; a single {noun} can be poor.
- Its output is not evidence: {words.evidence_note.format(noun=noun)}
"""


def training_text(metadata: Metadata, settings: Mapping[str, Any]) -> str:
    """Return the sections on data and training."""
    noun = find_medium(metadata.item.medium).noun
    classes = ", ".join(metadata.classes) if metadata.classes else "none: the data has no labels"
    parent = f"| started from | `{metadata.parent}` |\n" if metadata.parent else ""
    return f"""## Training data

| | |
|---|---|
| data | {metadata.dataset_name} |
| fingerprint of the {noun}s and labels | `{metadata.dataset_fingerprint}` |
| classes | {classes} |
| {noun}s seen in training | {metadata.images_seen:,} |

## Training

| | |
|---|---|
| variant | {metadata.variant} |
| settings | `{json.dumps(settings)}` |
| code | git commit `{metadata.git_commit}` |
| MLflow run | `{metadata.mlflow_run}` |
{parent}"""


def scores_of(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of an evaluation."""
    return {
        key: value
        for key, value in evaluation.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def verdict_text(metadata: Metadata, evaluation: Mapping[str, Any]) -> str:
    """Return the verdict, with the reasons if it is not pass, and otherwise what could not be tested."""
    verdict = f"**{metadata.verdict}**"
    if metadata.verdict == "pass":
        untested = "; ".join(map(str, evaluation.get("untested") or []))
        return f"{verdict}. Not tested: {untested}" if untested else verdict
    lines = [f"{verdict}; exported because `export.allow_failed` is set", ""]
    for cause, parts in map(split_reason, reasons_of(evaluation) or ["no reason recorded"]):
        lines += [f"- **{cause}**", *(f"  - {name}: {text}" for name, text in parts)]
    return "\n".join(lines)


def reasons_of(evaluation: Mapping[str, Any]) -> list[str]:
    """Return the reasons of the gate, which may be stored as one text."""
    reasons = evaluation.get("reasons") or []
    return [reasons] if isinstance(reasons, str) else [str(reason) for reason in reasons]


def measure_table(values: Mapping[str, Any]) -> str:
    """Return numbers and names as a table."""
    rows = [f"| {key} | {f'{value:.6g}' if isinstance(value, float) else value} |" for key, value in values.items()]
    return "\n".join(["| measure | value |", "|---|---|", *rows])


def further_graph(graph: Mapping[str, Any]) -> str:
    """Return the section on another graph of the model."""
    return f"""
## Further graph: {graph["file"]}

{tensor_table("Input", graph["inputs"])}

{tensor_table("Output", graph["outputs"])}
"""


def tensor_table(title: str, tensors: list[Mapping[str, Any]]) -> str:
    """Return inputs or outputs as a table."""
    rows = [
        f"| `{tensor['name']}` | {tensor['dtype']} | {tensor['shape']} | {tensor['range'] or 'unbounded'} "
        f"| {tensor['meaning']} |"
        for tensor in tensors
    ]
    return "\n".join([f"| {title} | dtype | shape (-1: batch) | range | meaning |", "|---|---|---|---|---|", *rows])
