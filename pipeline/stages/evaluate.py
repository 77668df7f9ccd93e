"""Evaluate: the averaged networks on held-out data, by the rules of the variant's task; a verdict, a report, and numbers with their protocol."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipeline import params as parameters
from pipeline.data.store import DatasetInfo, open_split
from pipeline.errors import InputError
from pipeline.stages import metrics_files
from pipeline.stages.paths import Paths
from pipeline.tasks.base import Case, Outcome
from pipeline.tasks.generate import sample_evaluation
from pipeline.tasks.restore import restoration_evaluation
from pipeline.tasks.translate import translation_evaluation
from pipeline.tracking import tracked_run
from pipeline.training import model_files
from pipeline.training.device import pick_device

JUDGES: dict[str, Callable[[Case], Outcome]] = {
    "generate": sample_evaluation.judge,
    "restore": restoration_evaluation.judge,
    "translate": translation_evaluation.judge,
}


def run(root: Path) -> None:
    """Reads data/ and models/; writes metrics/evaluation.json and reports/evaluation.html. A failing verdict is a result, not an error.

    Raises InputError for an empty test split, a model of other data, or feature weights that cannot be had.
    """
    began = time.monotonic()
    paths = Paths(root)
    params = parameters.load(paths.params)
    info = DatasetInfo.read(paths.dataset)
    train, test = (open_split(paths.dataset, paths.validated, split) for split in ("train", "test"))
    gan, config = model_files.load(paths.weights.parent)
    config.require_shape(info.item, paths.model_config)
    if gan.task != params.model.task:
        raise InputError(
            f"{paths.model_config}: a {config.model.variant}, where model.variant is {params.model.variant}; run `dvc repro train`"
        )
    device = pick_device(params.train.device)
    before = paths.work / "evaluation.json"  # the run before: DVC has removed its file under metrics/ by now
    with tracked_run.resume(params.tracking, root, paths.run) as tracked:
        case = Case(
            paths, params, info, train, test, gan.to(device), config, device, tracked.id, metrics_files.kept(before)
        )
        outcome = JUDGES[gan.task](case)
        measured = {**outcome.metrics, "seconds": round(time.monotonic() - began, 2)}
        paths.evaluation_report.parent.mkdir(parents=True, exist_ok=True)
        paths.evaluation_report.write_text(outcome.page, encoding="utf-8")
        metrics_files.write(paths.evaluation_metrics, measured)
        metrics_files.write(before, measured)
        tracked.log_params(params.model_dump(by_alias=True, include={"evaluate"}))
        tracked.log_metrics(
            {
                f"evaluate/{name}": value
                for name, value in measured.items()
                if not isinstance(value, str | list) and value is not None
            }
        )
        tracked.tag(
            {"verdict": measured["verdict"], "protocol": measured["protocol"], "dataset_fingerprint": info.fingerprint}
        )
        tracked.log_file(paths.evaluation_report)
        tracked.log_file(paths.evaluation_metrics)
    sys.stdout.write(f"{measured['verdict']}: {outcome.line}; see {paths.evaluation_report}\n")
    for reason in measured["reasons"]:
        sys.stderr.write(f"ganline: verdict fail: {reason}\n")
    for text in outcome.notes:
        sys.stderr.write(f"ganline: {text}\n")
