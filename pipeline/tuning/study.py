"""An Optuna study: storage, sampler, successive halving, budget, and trials whose process was killed.

A trial that was interrupted goes back into the queue with its values. A process that is killed leaves its trial in the
state RUNNING. The next process in the same place puts it back at once; other machines do so when its heartbeat stops.
"""

import hashlib
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.tuning.settings import TuneSettings

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
    from optuna.trial import FrozenTrial

MISSING = "ganline tune needs Optuna: install it with `pip install 'ganline[tune]'`"
HEARTBEAT_SECONDS = 60
GRACE_SECONDS = 900
"""A trial without a heartbeat for this long goes back into the queue; its own result would then be refused."""

STARTUP = 8
"""Trials with random values before the sampler draws conclusions."""

RETRIES = 3
"""A trial whose process was killed more often than this may be the reason."""

POLL_SECONDS = 2.0
"""Interval at which a machine without work looks what the others do."""

ATTEMPTS = 5
"""Machines that start at the same time all create the tables of a new database, and only one succeeds."""

SECONDS, PLACE, REASON = "seconds", "place", "reason"
"""Attributes of a trial: its duration, the checkout that runs it, and why it ended early."""

RUN = "run"
"""Attribute of a study and of a trial: its MLflow run."""

PLANNED_VALUES = "fixed_params"
"""Optuna's attribute of a trial with the values that `enqueue_trial` planned for it."""

START, VALUES = "start", "values"
"""Attributes of a trial: whether it is the start, and what differs from the start, by key."""


def require_optuna() -> None:
    """Raise InputError if Optuna is not installed; else silence its log and its notes on experimental features."""
    try:
        import optuna
    except ImportError:
        raise InputError(MISSING) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def open_storage(url: str, name: str) -> "RDBStorage":
    """Open or create the database of studies.

    Args:
        url: SQLAlchemy's address.
        name: What errors call the address, without a password.

    Raises:
        InputError: Optuna or the database's driver is missing, or the database cannot be used.
    """
    require_optuna()
    from optuna.exceptions import OptunaError
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    for attempt in range(ATTEMPTS):
        try:
            return RDBStorage(
                url,
                engine_kwargs={"pool_pre_ping": True},
                heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=GRACE_SECONDS,
                heartbeat_stale_trial_callback=retry(RETRIES),
            )
        except ImportError as error:
            raise InputError(f"{name}: {error} PostgreSQL: `pip install 'ganline[tune]'`") from None
        except (SQLAlchemyError, OptunaError, ValueError) as error:
            reason = str(error).splitlines()[0]
            time.sleep(0.2 * attempt)
    raise InputError(f"{name}: cannot be used as storage: {reason}. Check the address and that the server answers")


def retry(most: int | None = None) -> "RetryHeartbeatStaleTrialCallback":
    """Return the function (study, trial) that puts a trial back into the queue, at most `most` times."""
    from optuna.storages import RetryHeartbeatStaleTrialCallback

    return RetryHeartbeatStaleTrialCallback(max_retry=most)


def open_study(storage: "RDBStorage", name: str, settings: TuneSettings | None = None) -> "Study":
    """Open or create a study that minimises; with `settings`, trials are stopped by successive halving.

    There are rungs after a ninth and after a third of the checks, and so on for other values of `reduction`.
    """
    import optuna

    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if settings is not None:
        first = max(1, settings.checks // settings.reduction**2)
        pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=settings.reduction)
    return optuna.create_study(storage=storage, study_name=name, pruner=pruner, load_if_exists=True)


def reclaim(study: "Study", place: str) -> int:
    """Put trials back that a killed process left here; the caller holds the lock of `place`. Return their number."""
    from optuna.trial import TrialState

    lost = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if trial.user_attrs.get(PLACE) == place
    ]
    for trial in lost:
        study.tell(trial.number, state=TrialState.FAIL)
        retry(RETRIES)(study, trial)
    return len(lost)


def is_planned(study: "Study", values: Mapping[str, int]) -> bool:
    """Return whether a trial with these planned values waits, runs or is finished; one that failed does not count."""
    from optuna.trial import TrialState

    states = (TrialState.WAITING, TrialState.RUNNING, TrialState.COMPLETE)
    trials = study.get_trials(deepcopy=False, states=states)
    return any(trial.system_attrs.get(PLANNED_VALUES) == values for trial in trials)


def is_queued_twice(study: "Study", trial: "Trial") -> bool:
    """Return whether an earlier trial with the same planned values runs or has ended.

    Machines that come to the same point at the same time all put it into the queue.
    """
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    planned = trials[trial.number].system_attrs.get(PLANNED_VALUES)
    alive = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
    earlier = [other for other in trials[: trial.number] if other.state in alive]
    return any(other.system_attrs.get(PLANNED_VALUES) == planned for other in earlier)


def has_running(study: "Study") -> bool:
    """Return whether a trial runs, here or on another machine."""
    from optuna.trial import TrialState

    return bool(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))


def has_waiting(study: "Study") -> bool:
    """Return whether a trial waits for its turn."""
    from optuna.trial import TrialState

    return bool(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def wait(study: "Study") -> None:
    """Wait a moment for other machines; put trials back whose heartbeat has stopped."""
    from optuna.storages import fail_stale_trials

    fail_stale_trials(study)
    time.sleep(POLL_SECONDS)


@dataclass(frozen=True)
class Budget:
    """How much a study may spend: trials, and hours of all of them together; None is no limit."""

    trials: int | None
    hours: float | None

    def seconds_left(self, study: "Study") -> float:
        """Return the seconds that are left."""
        if self.hours is None:
            return float("inf")
        spent = sum(trial.user_attrs.get(SECONDS, 0.0) for trial in study.get_trials(deepcopy=False))
        return 3600 * self.hours - float(spent)

    def is_spent(self, study: "Study") -> bool:
        """Return whether no further trial may start. An interrupted trial that waits for its turn is not counted."""
        if self.seconds_left(study) <= 0:
            return True
        return self.trials is not None and len(counted(study)) >= self.trials


def counted(study: "Study") -> "list[FrozenTrial]":
    """Return the trials that count: those that run or ended, but not those that another one repeats."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    repeated = {number for trial in trials for number in trial.system_attrs.get("retry_history", [])}
    return [trial for trial in trials if trial.state != TrialState.WAITING and trial.number not in repeated]


def run_trial(study: "Study", objective: "Callable[[Trial], float]", place: str, seed: str) -> None:
    """Run one trial; the objective raises TrialPruned to end it early.

    The sampler's seed follows from `seed` and the number of trials, so that a resumed study does not repeat its first
    trials. Machines that share a study pass different seeds, or they would propose the same values.

    Raises:
        KeyboardInterrupt: The objective was interrupted; the trial went back into the queue.
    """
    import optuna

    number = len(study.get_trials(deepcopy=False))
    digest = hashlib.sha256(f"{seed} {number}".encode()).digest()
    study.sampler = optuna.samplers.TPESampler(
        seed=int.from_bytes(digest[:4]), multivariate=True, constant_liar=True, n_startup_trials=STARTUP
    )
    running: list[int] = []

    def run(trial: "Trial") -> float:
        running.append(trial.number)
        trial.set_user_attr(PLACE, place)
        trial.set_user_attr(SECONDS, 0.0)
        return objective(trial)

    try:
        study.optimize(run, n_trials=1)
    except KeyboardInterrupt:
        for trial in study.get_trials(deepcopy=False):
            if trial.number in running and trial.state == optuna.trial.TrialState.FAIL:
                retry()(study, trial)
        raise
