"""Evaluate champion and challenger as they were exported: in ONNX Runtime, on the same data, under one protocol."""

from pathlib import Path

from pipeline.data.store import DatasetInfo
from pipeline.errors import InputError
from pipeline.evaluation.reference import require_reference
from pipeline.promotion.checks import Against
from pipeline.serving.onnx.metadata import Metadata
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

RENAME = "they cannot be compared. Set another name for the new kind of model in `tracking.model`."


def side_by_side(task: Task, case: EvaluationCase, challenger: Path, champion: Path, version: str) -> Against:
    """Evaluate both models; each is a graph with its other graphs next to it. Cached evaluations are reused.

    Args:
        case: The data and settings; its `gan` is the challenger's variant, untrained.
        version: The champion's version in the registry.

    Raises:
        InputError: The champion does another task than the challenger, or lacks a graph, or the data cannot be read.
    """
    require_reference(case.test)
    models = (
        ExportedModel(Graph(challenger), "the challenger", EXPORT_AGAIN),
        ExportedModel(Graph(champion), f"the champion (version {version})", DROP_CHAMPION),
    )
    for model in models:
        require_comparable(task, model, models[0].graph.metadata, case.info)
    ours, theirs = (task.evaluate_exported(model, case) for model in models)
    return Against(
        version=version,
        champion=theirs.metrics,
        challenger=ours.metrics,
        measures=task.compare(ours, theirs, case.settings.seed),
        champion_diversity=task.relative_diversity(theirs.metrics),
        challenger_diversity=task.relative_diversity(ours.metrics),
    )


def require_comparable(task: Task, model: ExportedModel, challenger: Metadata, info: DatasetInfo) -> None:
    """Raise InputError if a model cannot be evaluated on this data, or does not do what the challenger does."""
    metadata, name = model.graph.metadata, model.graph.path.name
    if (metadata.task, metadata.scale) != (challenger.task, challenger.scale):
        raise InputError(
            f"{name}: {model.label} is a model to {metadata.task} (x{metadata.scale}), the challenger one to "
            f"{challenger.task} (x{challenger.scale}): {RENAME}"
        )
    multiple, item, data = metadata.multiple, metadata.item, info.item
    sides = data.height, data.width
    fits = all(side % multiple == 0 for side in sides) if multiple else sides == (item.height, item.width)
    if item.channels != data.channels or not fits:
        size = f"whose sides are multiples of {multiple} px" if multiple else f"of {item.height} px"
        raise InputError(
            f"{name}: {model.label} {'takes' if task.takes_input else 'makes'} images {size} and {item.channels} "
            f"channels, the data has {data.height} px and {data.channels}: {RENAME}"
        )
