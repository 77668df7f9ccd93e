"""Compare the exported model with a version in the registry, and write the page that shows both."""

import tempfile
from pathlib import Path
from typing import Any

from pipeline.files import write_atomically
from pipeline.media.registry import find_medium
from pipeline.params import Params
from pipeline.promotion.aliases import Registry
from pipeline.promotion.checks import Against
from pipeline.stages.paths import Paths
from pipeline.tasks.registry import TASKS


def was_compared(verdict: dict[str, Any]) -> bool:
    """Return whether a verdict compares the model with a champion."""
    return any(name.endswith("_verdict") for name in verdict)


def write_page(paths: Paths, params: Params, verdict: dict[str, Any], against: Against | None) -> None:
    """Write reports/promotion.html after a comparison; delete that of another model if there was none."""
    if against is not None:
        from pipeline.data.store import DatasetInfo
        from pipeline.promotion.page import render_promotion

        item, task = DatasetInfo.read(paths.dataset).item, TASKS[params.model.task]
        measures = task.measures(find_medium(item.medium))
        page = render_promotion(verdict, against, measures, item, takes_input=task.takes_input)
        paths.promotion_page.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(paths.promotion_page, page.encode())
    elif not was_compared(verdict):
        paths.promotion_page.unlink(missing_ok=True)


def compare_with_version(version: str, registry: Registry, paths: Paths, params: Params) -> Against:
    """Compare the project's exported model with a registered version on the project's data."""
    with tempfile.TemporaryDirectory() as folder:
        return compare_with(registry.download(version, Path(folder)), version, paths, params)


def compare_with(champion: Path, version: str, paths: Paths, params: Params) -> Against:
    """Compare the project's exported model with a champion on the project's data."""
    from pipeline.data.store import DatasetInfo, open_split
    from pipeline.promotion.side_by_side import evaluate_both
    from pipeline.stages.evaluate import evaluation_folders
    from pipeline.tasks.base import EvaluationCase
    from pipeline.tasks.cluster_features import choose_compute
    from pipeline.training import model_files
    from pipeline.training.device import pick_device

    gan, config = model_files.build_untrained(paths.weights.parent)
    device = pick_device(params.train.device)
    case = EvaluationCase(
        gan=gan,
        config=config,
        info=DatasetInfo.read(paths.dataset),
        train=open_split(paths.dataset, paths.validated, "train"),
        test=open_split(paths.dataset, paths.validated, "test"),
        settings=params.evaluate,
        device=device,
        folders=evaluation_folders(paths),
        opset=params.export.opset,
        compute=choose_compute(device),
    )
    return evaluate_both(TASKS[params.model.task], case, paths.generator, champion, version)
