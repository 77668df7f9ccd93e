"""`ganline tune`: search hyperparameters, and compare the best trial with the start on new seeds.

The search sees the training split only. A part of it is held out from all trials, and the test split is not read.
"""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import params as parameters
from pipeline.code_digest import code_digest
from pipeline.data.grouping import Groups
from pipeline.data.store import DatasetInfo, open_split
from pipeline.errors import InputError
from pipeline.files import exclusive_lock
from pipeline.media.registry import find_medium
from pipeline.params import Params
from pipeline.stages.commands.tune_new_seeds import confirm
from pipeline.stages.commands.tune_result import Result, finish
from pipeline.stages.commands.tune_trials import Search, look_for_best, print_message
from pipeline.stages.parent import find_parent
from pipeline.stages.paths import Paths
from pipeline.stages.signals import stop_on_signal
from pipeline.stages.train import RUNTIME, training_modules
from pipeline.stages.training_inputs import Inputs
from pipeline.tracking import tracked_run
from pipeline.tracking.mlflow_store import hide_credentials, make_absolute
from pipeline.training.device import pick_device
from pipeline.tuning import study as studies
from pipeline.tuning.ranges import choose_ranges, format_range, start_point
from pipeline.tuning.settings import Range
from pipeline.tuning.study import RUN, START, Budget
from pipeline.tuning.validation_split import hold_out

if TYPE_CHECKING:
    from optuna import Study

STORAGE = "GANLINE_TUNE_STORAGE"
"""Variable with the address of the database; several machines join one study there."""


def run(root: Path, trials: int | None = None, hours: float | None = None) -> Result:
    """Search until the budget is spent, confirm the best trial, and write reports/tune.html and metrics/tune.json.

    A search with the same parameters, data and code continues.

    Args:
        root: The project.
        trials, hours: The budget of the whole study; if one is given, it replaces that of the parameters.

    Raises:
        InputError: Optuna or the data is missing, a range is wrong, the database fails, or no trial was successful.
        KeyboardInterrupt: The search was asked to stop; the next one continues it.
    """
    studies.require_optuna()
    paths = Paths(root)
    params = parameters.load(paths.params)
    settings = params.tune
    budget = Budget(settings.trials, settings.hours) if trials is None and hours is None else Budget(trials, hours)
    with exclusive_lock(paths.tune_lock, "tuning"), stop_on_signal() as stop:
        inputs = open_training_split(paths, params)
        values = params.model_dump(mode="json", by_alias=True)
        augmentations = find_medium(params.data.medium).suitable_augmentations(params.data)
        ranges = choose_ranges(settings, values, augmentations)
        name = study_name(inputs, ranges)
        uri = make_absolute(os.environ.get(STORAGE) or f"sqlite:///{paths.tune_storage}", root)
        storage = studies.open_storage(uri, hide_credentials(uri))
        study, confirmation = (
            studies.open_study(storage, name, settings),
            studies.open_study(storage, f"{name}-confirmation"),
        )
        place = f"{platform.node()}:{root.resolve()}"
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(start_point(ranges, values), user_attrs={START: True})
        report_start(study, ranges, place, confirmation)
        tags = {"mlflow.runName": "tune", "ganline.tune": name}
        with tracked_run.start(params.tracking, root, run_id=study.user_attrs.get(RUN), tags=tags) as parent:
            study.set_user_attr(RUN, parent.id)
            parent.log_params({f"range.{key}": format_range(one) for key, one in ranges.items()})
            search = Search(inputs, values, ranges, study, confirmation, parent, place, stop.is_set)
            worker = place if os.environ.get(STORAGE) else ""
            look_for_best(search, budget, f"{settings.seed} {worker}")
            return finish(paths, study, confirm(search), values, ranges, parent)


def open_training_split(paths: Paths, params: Params) -> Inputs:
    """Open the training split in two parts; the one that is held out takes the place of the test split.

    Raises:
        InputError: The data is missing, too small or was made with other parameters.
    """
    if params.model.own_data:
        raise InputError("model.split own: a search reads data/dataset only; set model.split: iid or classes for it")
    info = DatasetInfo.read(paths.dataset)
    if info.pairs != params.data.pairs:
        raise InputError(f"{paths.dataset}: was made with data.pairs {info.pairs}. Run `dvc repro validate`")
    items = open_split(paths.dataset, paths.validated, "train", verify=True)
    groups = Groups(params.data.group)
    rest, held_out = hold_out(items, params.tune.held_out, params.data.seed, groups)
    if not len(rest) or not len(held_out):
        raise InputError(
            f"tune.held_out {params.tune.held_out:g}: leaves {len(rest)} of {len(items)} items for training and "
            f"{len(held_out)} held out, in whole groups (data.group); use more data or another share"
        )
    parent, device = find_parent(paths, params, info), pick_device(params.train.device)
    return Inputs(paths, params, info, rest, rest, held_out, len(rest), device, parent)


def study_name(inputs: Inputs, ranges: Mapping[str, Range]) -> str:
    """Return a name for everything that decides the trials: start, data, ranges and code, but not the budget."""
    params = inputs.params
    decisive = {
        "data": inputs.data.fingerprint,
        "parent": inputs.parent.origin.sha256 if inputs.parent else None,
        "model": params.model.model_dump(mode="json"),
        "train": params.train.model_dump(mode="json", exclude=RUNTIME - {"total_images"}),
        "tune": params.tune.model_dump(mode="json", exclude={"trials", "hours", "seeds", "ranges"}),
        "ranges": {key: format_range(one) for key, one in ranges.items()},
        "code": code_digest(*training_modules(params)),
    }
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
    return f"{params.tracking.model}-{digest[:12]}"


def report_start(study: "Study", ranges: Mapping[str, Range], place: str, confirmation: "Study") -> None:
    """Put the trials of killed processes back, and print what is searched."""
    lost = studies.reclaim(study, place) + studies.reclaim(confirmation, place)
    count = len(studies.counted(study))
    print_message(f"study {study.study_name}" + (f", continued after {count} trials" if count else ""))
    if lost:
        print_message("a trial that a killed process left is repeated from its last checkpoint")
    for key, one in ranges.items():
        print_message(f"  {key}: {format_range(one)}")
