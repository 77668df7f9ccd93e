"""The summary of a project: the verdict, the key numbers and the paths of the results, as `make run` prints it."""

from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.evaluation.blind_test import describe_score, hash_file
from pipeline.evaluation.wording import format_near, format_verdict
from pipeline.media.registry import MEDIA
from pipeline.reasons import name_causes
from pipeline.stages import metrics_files
from pipeline.stages.paths import Paths
from pipeline.tasks.registry import TASKS

WIDTH = 11


def summary(root: Path) -> str:
    """Return the verdict, the key numbers and the paths of the results. Raises InputError before an evaluation."""
    paths = Paths(root)
    measured = read_evaluation(paths.evaluation_metrics)
    task = TASKS[measured["task"]]
    lines = [("verdict", format_verdict(str(measured.get("verdict", "none")), measured.get("untested", [])))]
    if reasons := measured.get("reasons"):
        lines.append(("because", name_causes([reasons] if isinstance(reasons, str) else map(str, reasons))))
    if near := measured.get("near_bounds"):
        lines.append(("note", format_near(near)))
    lines.append(("numbers", ", ".join(task.summary(measured)) or "none"))
    if human := describe_human(paths):
        lines.append(("human", human))
    if protocol := measured.get("protocol"):
        lines.append(("protocol", str(protocol)))
    for name, path in [
        ("samples", paths.samples),
        ("metrics", paths.evaluation_metrics.parent),
        ("report", paths.evaluation_report),
        ("generator", paths.generator),
    ]:
        lines.append((name, describe_path(path, root)))
    if paths.generator.exists():
        lines.append(("try it", task.try_it(MEDIA[measured["medium"]])))
    return "\n".join(f"{name:<{WIDTH}}{text}" for name, text in lines)


def read_evaluation(path: Path) -> dict[str, Any]:
    """Return metrics/evaluation.json. Raises InputError if it is missing or holds something else."""
    content = metrics_files.read(path, "dvc repro")
    if not isinstance(content, dict) or content.get("task") not in TASKS or content.get("medium") not in MEDIA:
        raise InputError(f"{path}: these are not the metrics of an evaluation. Run `dvc repro -f evaluate`.")
    return content


def describe_human(paths: Paths) -> str:
    """Return the result of the blind test of the present model; empty without one."""
    measured, name = metrics_files.read_cached(paths.human_metrics), paths.human_metrics.relative_to(paths.root)
    if measured is None:
        return ""
    if not paths.weights.is_file() or measured.get("model_sha256") != hash_file(paths.weights):
        return f"{name} is about another model; run `ganline human`"
    try:
        return describe_score(measured)
    except (KeyError, TypeError, ValueError):  # edited by hand
        return f"{name} is not the result of a blind test; run `ganline human --result` again"


def describe_path(path: Path, root: Path) -> str:
    """Return a path relative to the project; of a folder of pictures also their number and the newest one."""
    name = path.relative_to(root)
    if not path.exists():
        return f"{name}: not there; run `dvc repro`"
    pictures = sorted(path.glob("*.png")) if path.is_dir() else []
    return (
        f"{name}/ ({len(pictures)} pictures, the last {pictures[-1].name})"
        if pictures
        else f"{name}/"
        if path.is_dir()
        else str(name)
    )
