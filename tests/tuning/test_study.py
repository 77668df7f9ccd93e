"""An Optuna study: its budget, killed trials, seeds, and successive halving on known curves."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import InputError
from pipeline.tuning.settings import TuneSettings
from pipeline.tuning.study import (
    SECONDS,
    Budget,
    counted,
    is_planned,
    is_queued_twice,
    open_storage,
    open_study,
    reclaim,
    require_optuna,
    run_trial,
)

if TYPE_CHECKING:
    from optuna import Study, Trial

pytest.importorskip("optuna", reason="needs pip install -e '.[tune]'")


@pytest.fixture
def study(tmp_path: Path) -> "Study":
    return reopen(tmp_path)


def reopen(folder: Path, settings: TuneSettings | None = None) -> "Study":
    """Open the study as another process would."""
    return open_study(open_storage(f"sqlite:///{folder / 'tune.db'}", "tune.db"), "study", settings)


def square(trial: "Trial") -> float:
    trial.set_user_attr(SECONDS, 2.0)
    return float(trial.suggest_float("x", -1, 1) ** 2)


def interrupt(trial: "Trial") -> float:
    trial.suggest_float("x", -1, 1)
    raise KeyboardInterrupt


def test_the_budget_counts_all_trials_of_the_study(study: "Study", tmp_path: Path) -> None:
    budget = Budget(trials=3, hours=None)
    while not budget.is_spent(study):
        run_trial(study, square, "here", "0")
    again = reopen(tmp_path)
    assert len(again.trials) == 3
    assert budget.is_spent(again)
    assert not Budget(trials=4, hours=None).is_spent(again)
    assert Budget(None, 6 / 3600).is_spent(again)
    assert Budget(None, 7 / 3600).seconds_left(again) == pytest.approx(1)


def test_an_interrupted_trial_is_run_again_with_its_values(study: "Study") -> None:
    with pytest.raises(KeyboardInterrupt):
        run_trial(study, interrupt, "here", "0")
    assert not counted(study)
    run_trial(study, square, "here", "0")
    first, second = study.trials
    assert first.params == second.params
    assert [trial.number for trial in counted(study)] == [1]


def test_a_killed_trial_is_reclaimed_where_it_ran_and_a_few_times_only(study: "Study", tmp_path: Path) -> None:
    def lose_one() -> None:
        trial = study.ask()
        trial.set_user_attr("place", "here")
        trial.suggest_float("x", -1, 1)

    lose_one()
    assert reclaim(reopen(tmp_path), "elsewhere") == 0
    for _ in range(5):
        assert reclaim(study, "here") == 1
        lose_one()
    values = [trial.params.get("x") for trial in study.trials]
    assert values[:4] == values[:1] * 4  # tried, and repeated three times
    assert values[4] != values[0]


def test_a_resumed_study_proposes_what_an_uninterrupted_one_would(tmp_path: Path) -> None:
    proposals = []
    for name, reopened in (("one", False), ("two", True)):
        (tmp_path / name).mkdir()
        study = reopen(tmp_path / name)
        for _ in range(11):
            study = reopen(tmp_path / name) if reopened else study
            run_trial(study, square, "here", "0")
        proposals.append([trial.params["x"] for trial in study.trials])
    assert proposals[0] == proposals[1]
    assert len(set(proposals[0])) == 11


def test_machines_with_other_seeds_propose_other_values(study: "Study", tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    run_trial(study, square, "here", "0 here")
    other = reopen(tmp_path / "other")
    run_trial(other, square, "there", "0 there")
    assert study.trials[0].params != other.trials[0].params


def test_of_two_equal_plans_the_second_is_left_out(study: "Study") -> None:
    """Two machines that check the queue at the same time both add the plan."""
    for value in (0.5, 0.5, 0.25):
        study.enqueue_trial({"x": value})
    twice = []

    def run(trial: "Trial") -> float:
        twice.append(is_queued_twice(study, trial))
        return square(trial)

    for _ in range(3):
        run_trial(study, run, "here", "0")
    assert twice == [False, True, False]


def test_a_plan_that_failed_may_be_planned_again(study: "Study") -> None:
    from optuna.trial import TrialState

    plan = {"x": 1}
    assert not is_planned(study, plan)
    study.enqueue_trial(plan)
    assert is_planned(study, plan)
    assert not is_planned(study, {"x": 0})
    trial = study.ask()
    assert is_planned(study, plan)
    study.tell(trial, state=TrialState.FAIL)
    assert not is_planned(study, plan)


def test_without_optuna_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"pip install 'ganline\[tune\]'"):
        require_optuna()


def test_halving_stops_bad_curves_at_the_rungs(tmp_path: Path) -> None:
    """Of nine trials in falling order of quality, the later ones end at the first rung, and the best one does not."""
    import optuna

    settings = TuneSettings(checks=18, reduction=3)
    study = reopen(tmp_path, settings)
    lengths: list[int] = []

    def curve(trial: "Trial") -> float:
        trial.suggest_float("x", -1, 1)
        level = float(len(lengths))
        lengths.append(0)
        for check in range(1, settings.checks + 1):
            lengths[-1] = check
            trial.report(level + 1 / check, check)
            if trial.should_prune():
                raise optuna.TrialPruned
        return level

    for _ in range(9):
        run_trial(study, curve, "here", "0")
    assert lengths[0] == 18
    assert set(lengths[1:]) == {2}


def test_the_error_for_an_address_hides_nothing_but_the_password(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tune\.db of the team: cannot be used as storage"):
        open_storage(f"sqlite:///{tmp_path / 'missing' / 'tune.db'}", "tune.db of the team")
    with pytest.raises(InputError, match="the address"):
        open_storage("no address", "the address")
