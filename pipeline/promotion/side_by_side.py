"""Evaluate the exported champion and challenger in ONNX Runtime, on the same data and with the same protocol."""

from pathlib import Path

from pipeline.data.store import DatasetInfo
from pipeline.errors import InputError
from pipeline.evaluation.reference import require_reference
from pipeline.media.registry import find_medium
from pipeline.promotion.checks import Against
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.contract import contract_changes
from pipeline.serving.runtime.generator import Graph
from pipeline.tasks.base import EvaluationCase
from pipeline.tasks.exported_model import ExportedModel
from pipeline.tasks.task import Task

EXPORT_AGAIN = "run `dvc repro -f export`"
"""What to do if a graph of the challenger is missing."""

DROP_CHAMPION = (
    "delete the alias champion in MLflow's registry, so that `promote.limits` decide, or set another name in "
    "`tracking.model`"
)
"""What to do if a graph of the champion is missing."""

RENAME = "the two cannot be compared. Set another name for the new kind of model in `tracking.model`."


def evaluate_both(task: Task, case: EvaluationCase, challenger: Path, champion: Path, version: str) -> Against:
    """Evaluate both models. Cached evaluations are reused.

    Args:
        task: The task of the models.
        case: The data and settings; its `gan` is the challenger's variant, untrained.
        challenger: ONNX file, with its companion graphs next to it.
        champion: ONNX file, with its companion graphs next to it.
        version: The champion's version in the registry.

    Raises:
        InputError: The models have different tasks, a companion graph is missing, or the data cannot be read.
    """
    require_reference(case.test)
    models = (
        ExportedModel(Graph(challenger), "the challenger", EXPORT_AGAIN),
        ExportedModel(Graph(champion), f"the champion (version {version})", DROP_CHAMPION),
    )
    for model in models:
        require_comparable(task, model, models[0].graph.metadata, case.info)
    ours, theirs = (task.evaluate_exported(model, case) for model in models)
    medium = find_medium(case.info.item.medium)
    return Against(
        version=version,
        champion=theirs.metrics,
        challenger=ours.metrics,
        measures=task.compare(ours, theirs, case.settings.seed),
        champion_diversity=task.relative_diversity(theirs.metrics, medium),
        challenger_diversity=task.relative_diversity(ours.metrics, medium),
        contract=contract_changes(models[1].graph, models[0].graph),
        champion_items=task.show_exported(models[1], case),
        challenger_items=task.show_exported(models[0], case),
    )


def require_comparable(task: Task, model: ExportedModel, challenger: Metadata, info: DatasetInfo) -> None:
    """Raise InputError if a model does not fit the data, or has another task or scale than the challenger."""
    metadata, name = model.graph.metadata, model.graph.path.name
    if (metadata.task, metadata.scale) != (challenger.task, challenger.scale):
        raise InputError(
            f"{name}: the task of {model.label} is {metadata.task} (x{metadata.scale}), that of the challenger is "
            f"{challenger.task} (x{challenger.scale}): {RENAME}"
        )
    multiple, item, data = metadata.multiple, metadata.item, info.item
    ours, theirs = find_medium(data.medium), find_medium(item.medium)
    sides = data.height, data.width
    fits = all(side % multiple == 0 for side in sides) if multiple else sides == (item.height, item.width)
    if (item.medium, item.channels, item.dtype) != (data.medium, data.channels, data.dtype) or not fits:
        size = (
            f"whose sides are multiples of {multiple}" if multiple else f"of {theirs.extent(item.height, item.width)}"
        )
        raise InputError(
            f"{name}: {model.label} {'takes' if task.takes_input else 'generates'} {theirs.kind(item)}s {size}, but "
            f"this data holds {ours.kind(data)}s of {ours.extent(*sides)}: {RENAME}"
        )
