"""The trials of `ganline tune`: what a search consists of, and how one trial is run."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.params import Params
from pipeline.stages.commands.tune_training import CheckWatch, Outcome, for_trial, train
from pipeline.stages.training_inputs import Inputs
from pipeline.tracking import tracked_run
from pipeline.tracking.mlflow_store import PARENT_RUN
from pipeline.tuning import study as studies
from pipeline.tuning.ranges import suggest, with_values
from pipeline.tuning.settings import Range
from pipeline.tuning.study import REASON, RUN, SECONDS, START, VALUES, Budget

if TYPE_CHECKING:
    from optuna import Study, Trial


@dataclass(frozen=True)
class Search:
    """A search that is under way.

    Attributes:
        inputs: The start: parameters, the items to train on, and as `test` those that are held out.
        values: The parameters of the start as nested mappings.
        ranges: Range of each key.
        study: The trials.
        confirmation: The trainings that compare the best trial with the start.
        parent: MLflow run that the runs of the trials are nested in.
        place: This checkout on this machine.
        interrupted: Whether a signal arrived.
    """

    inputs: Inputs
    values: Mapping[str, Any]
    ranges: Mapping[str, Range]
    study: "Study"
    confirmation: "Study"
    parent: tracked_run.Run
    place: str
    interrupted: Callable[[], bool]

    @property
    def params(self) -> Params:
        """The parameters of the start."""
        return self.inputs.params


def look_for_best(search: Search, budget: Budget, seed: str) -> None:
    """Run trials until the budget is spent and no machine runs one. Raise KeyboardInterrupt if a signal arrives."""
    study, objective = search.study, partial(run_search_trial, search, budget)
    while True:
        if search.interrupted():
            raise KeyboardInterrupt
        if not budget.is_spent(study):
            run_or_explain(partial(studies.run_trial, study, objective, search.place, seed))
        elif studies.has_running(study):
            studies.wait(study)
        else:
            return


def run_or_explain(action: Callable[[], None]) -> None:
    """Run a trial; print how to continue if it is interrupted."""
    try:
        action()
    except KeyboardInterrupt:
        print_message("stopped; `ganline tune` continues with this trial")
        raise


def run_search_trial(search: Search, budget: Budget, trial: "Trial") -> float:
    """Run one trial of the search and return its distance.

    Raises:
        TrialPruned: It was stopped at a rung, the budget is spent, the values do not fit together, or it failed.
    """
    from optuna import TrialPruned

    if trial.user_attrs.get(START) and studies.is_queued_twice(search.study, trial):
        trial.set_user_attr(REASON, "another machine runs the start")
        raise TrialPruned
    began = time.monotonic()
    left = budget.seconds_left(search.study)
    values = suggest(trial, search.ranges, search.values)
    if trial.user_attrs.get(START):
        values = {}
    trial.set_user_attr(VALUES, values)

    def report(check: int, value: float) -> str:
        elapsed = time.monotonic() - began
        trial.set_user_attr(SECONDS, elapsed)
        trial.report(value, check)
        if trial.should_prune():
            return f"stopped at check {check}"
        return "the hours are spent" if elapsed > left else ""

    try:
        inputs = for_trial(
            search.inputs, with_values(search.values, values), search.params.tune.checks, response="stop"
        )
    except InputError as error:
        outcome = Outcome(float("inf"), [], " ".join(str(error).split()))
    else:
        name = "start" if trial.user_attrs.get(START) else f"trial {trial.number}"
        outcome = run_tracked(search, trial, name, values, inputs, CheckWatch(search.interrupted, report))
    trial.set_user_attr(SECONDS, time.monotonic() - began)
    if not outcome.reason and outcome.value == float("inf"):
        outcome = Outcome(outcome.value, outcome.history, "no health check was usable")
    words = outcome.reason or f"{outcome.value:.4g}"
    print_message(f"trial {trial.number}: {words} ({time.monotonic() - began:.0f} s)")
    if outcome.reason:
        trial.set_user_attr(REASON, outcome.reason)
        raise TrialPruned
    return outcome.value


def run_tracked(
    search: Search, trial: "Trial", name: str, values: Mapping[str, Any], inputs: Inputs, watch: CheckWatch
) -> Outcome:
    """Train with an MLflow run nested in that of the search; a repeated trial continues its run."""
    settings, root = search.params.tracking, search.inputs.paths.root
    tags = {"mlflow.runName": name, PARENT_RUN: search.parent.id}
    with tracked_run.start(settings, root, run_id=trial.user_attrs.get(RUN), tags=tags) as tracked:
        trial.set_user_attr(RUN, tracked.id)
        tracked.log_params(dict(values))
        outcome = train(inputs, watch)
        tracked.log_history(outcome.history)
        tracked.log_metrics({"distance": outcome.value})
        tracked.tag({"ganline.tune.reason": outcome.reason} if outcome.reason else {})
    return outcome


def print_message(message: str) -> None:
    """Print a message on stderr."""
    sys.stderr.write(f"ganline tune: {message}\n")
