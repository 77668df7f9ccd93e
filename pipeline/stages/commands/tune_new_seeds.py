"""The confirmation of `ganline tune`: the best trial and the start are trained again on new seeds."""

import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.stages.commands.tune_training import CheckWatch, for_trial
from pipeline.stages.commands.tune_trials import Search, print_message, run_or_explain, run_tracked
from pipeline.tuning import study as studies
from pipeline.tuning.confirmation import Confirmation
from pipeline.tuning.ranges import with_values
from pipeline.tuning.study import SECONDS, START, VALUES

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

PLANNED = "planned"
"""Attribute of a training that `confirm` put into the queue."""


def confirm(search: Search) -> Confirmation | None:
    """Compare the best trial with the start on new seeds; None if the start is the best.

    Raises:
        InputError: No trial was successful.
        KeyboardInterrupt: A signal arrived.
    """
    from optuna.trial import TrialState

    done = search.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not done:
        raise InputError("no trial ran to its end. Raise tune.trials or tune.hours, or start from a working preset")
    best = min(done, key=lambda trial: (trial.value is None, trial.value, trial.number))
    if best.user_attrs.get(START):
        return None
    study, seeds = search.confirmation, range(1, search.params.tune.seeds + 1)
    values = {0: {}, best.number: best.user_attrs[VALUES]}
    plans = [{"trial": number, "seed": seed} for seed in seeds for number in values]
    for plan in plans:
        if not studies.is_planned(study, plan):
            study.enqueue_trial(plan, user_attrs={PLANNED: True})
    objective = partial(run_confirmation, search, values)
    while missing := [plan for plan in plans if (plan["trial"], plan["seed"]) not in find_completed(study)]:
        if search.interrupted():
            raise KeyboardInterrupt
        if studies.has_waiting(study):
            run_or_explain(partial(studies.run_trial, study, objective, search.place, ""))
        elif studies.has_running(study):
            studies.wait(study)
        else:
            raise InputError(f"{len(missing)} trainings of the confirmation were killed repeatedly. Is memory short?")
    found = find_completed(study)
    start, tuned = ([found[number, seed] for seed in seeds] for number in values)
    return Confirmation(
        best.number,
        values[best.number],
        [float(trial.value or 0) for trial in start],
        [float(trial.value or 0) for trial in tuned],
        sum(trial.user_attrs[SECONDS] for trial in tuned) / len(tuned),
    )


def find_completed(study: "Study") -> "dict[tuple[int, int], FrozenTrial]":
    """Return the finished trainings by the number of the trial that they repeat, and seed."""
    from optuna.trial import TrialState

    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return {(int(trial.params["trial"]), int(trial.params["seed"])): trial for trial in finished}


def run_confirmation(search: Search, values: Mapping[int, Mapping[str, Any]], trial: "Trial") -> float:
    """Train the start or the best trial on a new seed, with the responses of its parameters; return its distance.

    Raises:
        TrialPruned: Another machine took the last planned training, or has put the same one into the queue.
    """
    from optuna import TrialPruned

    if not trial.user_attrs.get(PLANNED) or studies.is_queued_twice(search.confirmation, trial):
        raise TrialPruned
    number, seed = trial.suggest_int("trial", 0, 10**6), trial.suggest_int("seed", 1, 100)
    began = time.monotonic()
    changed = with_values(search.values, values[number])
    changed["train"]["seed"] = search.params.train.seed + seed
    inputs = for_trial(search.inputs, changed, search.params.tune.checks)
    name = f"{f'trial {number}' if number else 'start'}, seed {changed['train']['seed']}"

    def report(check: int, value: float) -> str:
        return ""

    outcome = run_tracked(search, trial, name, values[number], inputs, CheckWatch(search.interrupted, report))
    trial.set_user_attr(SECONDS, time.monotonic() - began)
    print_message(
        f"confirmation, {name}: {outcome.reason or f'{outcome.value:.4g}'} ({time.monotonic() - began:.0f} s)"
    )
    return outcome.value
