"""The result of a search: metrics/tune.json, reports/tune.html, and the parameters for a preset."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.files import write_atomically
from pipeline.stages import metrics_files
from pipeline.stages.paths import Paths
from pipeline.tracking import tracked_run
from pipeline.tuning.confirmation import Confirmation
from pipeline.tuning.page import in_words, render
from pipeline.tuning.ranges import find, is_schedule, with_values
from pipeline.tuning.settings import Range
from pipeline.tuning.study import SECONDS, START, counted

if TYPE_CHECKING:
    from optuna import Study


@dataclass(frozen=True)
class Result:
    """What a search found.

    Attributes:
        message: The outcome in words.
        values: Parameters with the best values; None if they are not better than the start.
        purpose: What was found, in one line.
        comments: What each changed key was before, by key.
        cost: The cost of one training.
    """

    message: str
    values: Mapping[str, Any] | None = None
    purpose: str = ""
    comments: Mapping[str, str] = field(default_factory=dict)
    cost: str = ""


def finish(
    paths: Paths,
    study: "Study",
    confirmation: Confirmation | None,
    values: Mapping[str, Any],
    ranges: Mapping[str, Range],
    parent: tracked_run.Run,
) -> Result:
    """Write the page and the metrics, and record both in MLflow; return the result.

    Args:
        paths: Of the project.
        study: The trials.
        confirmation: The comparison on new seeds; None if no trial was better than the start.
        values: The parameters of the start.
        ranges: Range of each key.
        parent: MLflow run of the search.
    """
    metrics = summarise(study, confirmation)
    metrics_files.write(paths.tune_metrics, metrics)
    paths.tune_page.parent.mkdir(parents=True, exist_ok=True)
    changes = describe_changes(confirmation, values)
    write_atomically(paths.tune_page, render(study, confirmation, ranges, changes, metrics).encode())
    parent.log_metrics(metrics)
    parent.log_file(paths.tune_page)
    if confirmation is None:
        return Result(f"none of {metrics['trials']} trials was better than the start; see {paths.tune_page}")
    purpose = confirmation.describe()
    message = f"{'confirmed' if confirmation.better else 'not confirmed'}: {purpose}; see {paths.tune_page}"
    if not confirmation.better:
        return Result(message)
    comments = {key: f"was {before}" for key, before, _ in changes}
    cost = f"{confirmation.seconds:,.0f} s of training where it was tuned (without evaluation)."
    return Result(message, with_values(values, confirmation.values), purpose, comments, cost)


def describe_changes(confirmation: Confirmation | None, values: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return key, value of the start and value of the best trial for each key that differs."""
    if confirmation is None:
        return []
    tuned = with_values(values, confirmation.values)
    pairs = [(key, find(values, key), find(tuned, key)) for key in confirmation.values]
    return [(key, describe_value(before), describe_value(after)) for key, before, after in pairs if before != after]


def describe_value(value: Any) -> str:
    """Return a value or a schedule in words."""
    if is_schedule(value):
        return f"{value['start']:g} to {value['end']:g}"
    return in_words(value)


def summarise(study: "Study", confirmation: Confirmation | None) -> dict[str, Any]:
    """Return metrics/tune.json."""
    from optuna.trial import TrialState

    trials = counted(study)
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    metrics: dict[str, Any] = {
        "study": study.study_name,
        "trials": len(trials),
        "trials_finished": len(finished),
        "search_seconds": round(sum(t.user_attrs.get(SECONDS, 0.0) for t in study.get_trials(deepcopy=False)), 1),
        "search_distance_start": next((t.value for t in finished if t.user_attrs.get(START)), None),
        "search_distance_best": min(t.value for t in finished if t.value is not None),
    }
    return metrics | (confirmation.metrics() if confirmation else {"better": False})
