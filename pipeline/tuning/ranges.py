"""The ranges of a study: which keys of params.yaml are searched, and how a trial's values become parameters."""

import copy
import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.tuning.settings import Choice, Interval, Range, TuneSettings

if TYPE_CHECKING:
    from optuna import Trial

Values = Mapping[str, Any]
"""The content of params.yaml as nested mappings."""

RATE = Interval(low=1e-5, high=1e-2, log=True)
DEFAULTS: dict[str, Range] = {
    "train.learning_rate.generator": RATE,
    "train.learning_rate.discriminator": RATE,
    "model.penalties.r1": Interval(low=1e-3, high=10.0, log=True),
    "model.penalties.r2": (0, 0.01, 0.1, 1),
    "model.r1": Interval(low=1e-2, high=100.0, log=True),
    "train.ema_half_life": Interval(low=500.0, high=50_000.0, log=True),
    "train.batch_size": (32, 64, 128, 256),
}
"""Ranges that a person would choose. Those whose key the variant does not have are left out."""

POLICY = "model.stabilisers.augment.policy"
WIDTHS = ("model.generator_channels", "model.discriminator_channels")
FIXED = (
    *("model.variant", "train.total_images", "train.seed", "train.device", "train.start_from", "train.health"),
    *("train.snapshot_images", "train.checkpoint_images", "train.log_images", "train.schedule_images"),
)
"""Keys that decide how trials are run or compared; they cannot be searched."""


def choose_ranges(settings: TuneSettings, values: Values, augmentations: Iterable[str]) -> dict[str, Range]:
    """Return the ranges by key. Lists get the present value, if they lack it.

    Args:
        settings: The section `tune`.
        values: The parameters that the search starts from.
        augmentations: Policies of augmentation that suit the data.

    Raises:
        InputError: A key does not exist, holds no single value, or cannot be searched.
    """
    wanted = default_ranges(values, augmentations) if settings.ranges == "auto" else settings.ranges
    ranges: dict[str, Range] = {}
    for key, one in wanted.items():
        present = present_value(values, key)
        if isinstance(one, Interval):
            if isinstance(present, bool) or not isinstance(present, int | float):
                raise InputError(f"tune.ranges.{key}: {present!r} is not a number; give a list of values")
            ranges[key] = one
        else:
            ranges[key] = one if present in one else (present, *one)
    return ranges


def default_ranges(values: Values, augmentations: Iterable[str]) -> dict[str, Range]:
    """Return the default ranges of the keys that the parameters have."""
    ranges = {key: one for key, one in DEFAULTS.items() if has_key(values, key)}
    if has_key(values, POLICY) and (policies := sorted(augmentations)):
        ranges[POLICY] = ("none", *policies)
    for key in WIDTHS:
        if has_key(values, key):
            width = int(find(values, key))
            ranges[key] = tuple(dict.fromkeys((max(width // 2, 1), width, 2 * width)))
    return ranges


def present_value(values: Values, key: str) -> Choice:
    """Return the value of a key; of a schedule, its start.

    Raises:
        InputError: The key does not exist, holds no single value, or cannot be searched.
    """
    if any(key == fixed or key.startswith(f"{fixed}.") for fixed in FIXED):
        raise InputError(f"tune.ranges.{key}: decides how trials are run or compared, and cannot be searched")
    if key.partition(".")[0] not in ("model", "train") or not has_key(values, key):
        known = [name for section in ("model", "train") for name in list_keys(values[section], section)]
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.3)
        hint = f"did you mean `{near[0]}`?" if near else "name a key below model or train"
        raise InputError(f"tune.ranges.{key}: no such key of these parameters; {hint}")
    value = find(values, key)
    if is_schedule(value):
        return float(value["start"])
    if not isinstance(value, Choice):
        raise InputError(f"tune.ranges.{key}: is a section or a list; name a key that holds one value")
    return value


def is_schedule(value: object) -> bool:
    """Whether a value is {start, end}."""
    return isinstance(value, Mapping) and value.keys() == {"start", "end"}


def list_keys(values: Values, path: str) -> list[str]:
    """Return the paths of all keys that hold a value or a schedule."""
    keys = []
    for name, value in values.items():
        below = f"{path}.{name}"
        keys += list_keys(value, below) if isinstance(value, Mapping) and not is_schedule(value) else [below]
    return keys


def has_key(values: Values, key: str) -> bool:
    """Whether the parameters have a key."""
    for part in key.split("."):
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True


def find(values: Values, key: str) -> Any:
    """Return the value of a key that exists."""
    for part in key.split("."):
        values = values[part]
    return values


def start_point(ranges: Mapping[str, Range], values: Values) -> dict[str, Choice]:
    """Return the present values, moved into the ranges: where the search sees the start."""
    point: dict[str, Choice] = {}
    for key, one in ranges.items():
        present = present_value(values, key)
        if isinstance(one, Interval):
            assert isinstance(present, int | float)
            point[key] = min(max(present, one.low), one.high)
        else:
            point[key] = present
    return point


def suggest(trial: "Trial", ranges: Mapping[str, Range], values: Values) -> dict[str, Choice]:
    """Return the values of a trial by key; numbers have three significant digits."""
    chosen: dict[str, Choice] = {}
    for key, one in ranges.items():
        if not isinstance(one, Interval):
            chosen[key] = trial.suggest_categorical(key, one)
        elif is_whole(one, find(values, key)):
            chosen[key] = trial.suggest_int(key, int(one.low), int(one.high), log=one.log)
        else:
            chosen[key] = float(f"{trial.suggest_float(key, one.low, one.high, log=one.log):.3g}")
    return chosen


def is_whole(interval: Interval, present: object) -> bool:
    """Whether a range holds whole numbers only."""
    return all(isinstance(value, int) for value in (interval.low, interval.high, present))


def with_values(values: Values, chosen: Mapping[str, Choice]) -> dict[str, Any]:
    """Return parameters with the chosen values. A schedule keeps the ratio of its end to its start."""
    changed: dict[str, Any] = copy.deepcopy(dict(values))
    for key, value in chosen.items():
        section, _, name = key.rpartition(".")
        present = find(changed, key)
        if is_schedule(present) and isinstance(value, int | float):
            ratio = present["end"] / present["start"] if present["start"] else 1.0
            find(changed, section)[name] = {"start": value, "end": float(f"{value * ratio:.3g}")}
        else:
            find(changed, section)[name] = value
    return changed


def format_range(one: Range) -> str:
    """Return a range as in params.yaml."""
    if isinstance(one, Interval):
        return f"{one.low:g} to {one.high:g}" + (" (log)" if one.log else "")
    return ", ".join("null" if value is None else str(value) for value in one)
