"""The evaluate stage: measure the averaged networks on held-out data, apply the gate, write the report."""

import csv
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import params as parameters
from pipeline.data.store import DatasetInfo, open_split
from pipeline.errors import InputError
from pipeline.evaluation.measures.distance_tiles import distances_on
from pipeline.evaluation.report_trend import EvaluatedRun
from pipeline.evaluation.wording import format_near, format_verdict
from pipeline.files import write_atomically
from pipeline.media.registry import find_medium
from pipeline.media.wording import say, say_page
from pipeline.reasons import format_reason
from pipeline.stages import metrics_files
from pipeline.stages.paths import Paths
from pipeline.tasks.base import EvaluationCase, EvaluationResult, Folders
from pipeline.tasks.cluster_features import choose_compute
from pipeline.tasks.registry import TASKS
from pipeline.tracking import tracked_run
from pipeline.tracking.run_history import find_runs
from pipeline.training import model_files
from pipeline.training.device import pick_device

LOGGED = "evaluate/"
"""Begins the names of the evaluation's metrics in MLflow."""

SHOWN_RUNS = 11
"""Earlier runs in the trend of the report."""


def run(root: Path) -> None:
    """Read data/ and models/; write metrics/evaluation.json and reports/evaluation.html.

    A failing verdict is a result, not an error.

    Raises:
        InputError: The test split is empty, the model does not match the data, or feature weights are missing.
    """
    began = time.monotonic()
    paths = Paths(root)
    params = parameters.load(paths.params)
    info = DatasetInfo.read(paths.dataset)
    train, test = (open_split(paths.dataset, paths.validated, split) for split in ("train", "test"))
    gan, config = model_files.load(paths.weights.parent)
    config.require_shape(info.item, paths.model_config)
    task = TASKS[gan.task]
    if not isinstance(params.evaluate.gate, task.Gate):
        raise InputError(
            f"{paths.model_config}: the model is a {config.model.variant}, but model.variant is "
            f"{params.model.variant}. Run `dvc repro train`."
        )
    device = pick_device(params.train.device)
    previous = paths.work / "evaluation.json"  # DVC has removed the file under metrics/ by now
    with tracked_run.resume(params.tracking, root, paths.run) as tracked:
        case = EvaluationCase(
            gan=gan.to(device),
            config=config,
            info=info,
            train=train,
            test=test,
            settings=params.evaluate,
            device=device,
            folders=evaluation_folders(paths),
            opset=params.export.opset,
            run_id=tracked.id,
            previous=metrics_files.read_cached(previous),
            curves=read_curves(paths.curves),
            history=read_history(tracked),
            compute=choose_compute(device),
        )
        with distances_on(device):
            result = say_result(task.evaluate(case), find_medium(info.item.medium).noun)
        metrics = {
            "task": task.name,
            "medium": info.item.medium,
            **result.metrics,
            "seconds": round(time.monotonic() - began, 2),
        }
        paths.evaluation_report.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(paths.evaluation_report, result.page.encode())
        metrics_files.write(paths.evaluation_metrics, metrics)
        metrics_files.write(previous, metrics)
        tracked.log_params(params.model_dump(by_alias=True, include={"evaluate"}))
        tracked.log_metrics({f"{LOGGED}{name}": value for name, value in metrics.items() if is_number(value)})
        tracked.tag(
            {"verdict": metrics["verdict"], "protocol": metrics["protocol"], "dataset_fingerprint": info.fingerprint}
        )
        tracked.log_file(paths.evaluation_report)
        tracked.log_file(paths.evaluation_metrics)
    print_result(result, paths.evaluation_report)


TEXTS = ("reasons", "warnings", "untested", "skipped")
"""Metrics that are messages."""


def say_result(result: EvaluationResult, noun: str) -> EvaluationResult:
    """Return a result whose messages are about items of this kind."""
    metrics = {name: [say(text, noun) for text in result.metrics[name]] for name in TEXTS if name in result.metrics}
    return replace(
        result,
        metrics=result.metrics | metrics,
        page=say_page(result.page, noun),
        line=say(result.line, noun),
        notes=[say(text, noun) for text in result.notes],
    )


def evaluation_folders(paths: Paths) -> Folders:
    """Return the folders of a project that an evaluation uses."""
    return Folders(
        root=paths.root,
        model=paths.weights.parent,
        cache=paths.cache,
        extractors=paths.extractors,
        evaluations=paths.evaluations,
    )


def read_curves(path: Path) -> list[dict[str, float]]:
    """Return the rows of the curves that training wrote, with the columns that have a value; none without the file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def read_history(run: tracked_run.Run) -> list[EvaluatedRun]:
    """Return the last evaluated runs of the experiment, oldest first, without the present one."""
    return [
        EvaluatedRun(
            name=one.name,
            address=one.address,
            date=f"{one.started:%Y-%m-%d %H:%M}",
            verdict=one.tags["verdict"],
            protocol=one.tags.get("protocol", ""),
            metrics={name.removeprefix(LOGGED): value for name, value in one.metrics.items()},
        )
        for one in find_runs(run, "verdict", SHOWN_RUNS)
    ]


def is_number(value: Any) -> bool:
    """Return whether MLflow can log a metric's value."""
    return value is not None and not isinstance(value, str | list)


def print_result(result: EvaluationResult, report: Path) -> None:
    """Print the verdict to stdout, its reasons and the notes to stderr."""
    verdict = format_verdict(result.metrics["verdict"], result.metrics.get("untested", []))
    sys.stdout.write(f"{verdict}: {result.line}; see {report}\n")
    for reason in result.metrics["reasons"]:
        sys.stderr.write(f"ganline: verdict fail: {format_reason(reason)}\n")
    if near := result.metrics.get("near_bounds"):
        sys.stderr.write(f"ganline: note: {format_near(near)}\n")
    for text in result.notes:
        sys.stderr.write(f"ganline: {text}\n")
