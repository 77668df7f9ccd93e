"""params.yaml as frozen, typed settings. This is the only module that reads it.

Which keys there are follows from the three axes: `data.medium`, `model.variant`, and the task of the variant. Unknown
or out-of-range keys fail at once with the key's path and the nearest valid name.
"""

import difflib
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, SerializeAsAny, ValidationError, create_model, model_validator
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.errors import InputError
from pipeline.evaluation.settings import EvaluateSettings, Gate
from pipeline.gans.registry import VARIANTS
from pipeline.gans.variants.settings import VariantSettings
from pipeline.media.registry import MEDIA
from pipeline.media.settings import DataSettings
from pipeline.media.validation import ValidationSettings
from pipeline.promotion.settings import PromoteSettings, promote_settings
from pipeline.serving.settings import ExportSettings
from pipeline.settings import Settings
from pipeline.tasks.registry import TASKS
from pipeline.tracking.settings import TrackingSettings
from pipeline.training.settings import TrainSettings
from pipeline.tuning.settings import TuneSettings

MEDIUM, VARIANT = "image", "dcgan"
"""What params.yaml means if it names no `data.medium` or no `model` at all."""


RENAMED = {
    "train.health.calmer": "train.health.learning_rate_factor",
    "train.health.stop_after": "train.health.early_stopping_images",
    "train.health.limits.fall": "train.health.limits.diversity_drop",
}
"""Keys that were renamed: new path by old path. The error for an old key names the new one."""


class Params(Settings):
    """All of params.yaml. `parse_values` builds a subclass with the fields of one medium, variant and task."""

    data: SerializeAsAny[DataSettings] = Field(description="where items come from, how they are decoded and split")
    validation: SerializeAsAny[ValidationSettings] = Field(
        ValidationSettings(),
        alias="validate",
        description="severity: critical stops the line (exit code 3), warning is reported, off disables the check",
    )
    model: SerializeAsAny[VariantSettings] = Field(description="networks, losses and regularisation")
    train: TrainSettings = Field(TrainSettings(), description="lengths are in images: steps x batch_size")
    evaluate: SerializeAsAny[EvaluateSettings] = Field(EvaluateSettings(), description="measures and the gate")
    export: ExportSettings = Field(ExportSettings(), description="the ONNX graph")
    promote: SerializeAsAny[PromoteSettings] = Field(
        PromoteSettings(), description="`ganline promote`; outside the graph, so a change reruns no stage"
    )
    tune: TuneSettings = Field(
        TuneSettings(), description="`ganline tune`; outside the graph, so a change reruns no stage"
    )
    tracking: TrackingSettings = Field(
        TrackingSettings(), description="MLflow; the address is MLFLOW_TRACKING_URI, else mlflow.db next to this file"
    )

    @model_validator(mode="after")
    def check_compatibility(self) -> "Params":
        """Raise ValueError if the variant cannot be trained on this data or with this batch size."""
        layout = self.data.layout()
        if layout.own_sizes and not self.model.any_size:
            others = ", ".join(name for name, known in VARIANTS.items() if known.settings.any_size)
            raise ValueError(
                f"data.fit keep: variant {self.model.variant} makes items of one size; "
                f"set data.fit: crop, or choose a variant that takes any size ({others})"
            )
        if layout.paired and self.model.sides != "paired":
            others = ", ".join(name for name, known in VARIANTS.items() if known.settings.sides == "paired")
            raise ValueError(
                f"data.pairs: variant {self.model.variant} does not use pairs; "
                f"set data.pairs: none, or choose a variant that does ({others})"
            )
        medium = MEDIA[self.data.medium]
        if layout.dtype != "uint8" and TASKS[self.model.task].compares_bytes(medium):
            raise ValueError(
                f"data.depth: variant {self.model.variant} compares images level by level and takes 8 bits; "
                "set data.depth: 8"
            )
        if not TASKS[self.model.task].suits(medium, self.data):
            others = ", ".join(name for name, known in VARIANTS.items() if not TASKS[known.settings.task].takes_input)
            remedy = f"set {medium.transformable}, or " if medium.transformable else ""
            raise ValueError(
                f"model.variant: {self.model.variant} transforms items, and data.medium {medium.name} has no "
                f"transformation of {medium.noun}s {'as these are stored' if remedy else 'yet'}; {remedy}choose one of "
                f"{others}"
            )
        self.model.check_data(layout)
        if self.train.flips and not medium.flips:
            raise ValueError(f"train.flips: a mirrored {medium.noun} is not a plausible {medium.noun}; set it to false")
        suitable = medium.suitable_augmentations(self.data)
        if self.model.augmentation not in {"none", *suitable}:
            known = ", ".join(["none", *sorted(suitable)])
            raise ValueError(
                f"model.stabilisers.augment.policy: {self.model.augmentation} does not suit {medium.noun}s; "
                f"choose one of {known}"
            )
        group = self.model.group
        for name, size in (("batch_size", self.train.batch_size), ("micro_batch", self.train.micro_batch)):
            if isinstance(size, int) and size % group:
                raise ValueError(f"train.{name} {size} is not a multiple of {self.model.group_key} {group}")
        return self


@functools.cache
def params_class(
    medium: str, model: type[VariantSettings], gate: type[Gate], promote: type[PromoteSettings]
) -> type[Params]:
    """Return Params with the fields of one medium, one variant, and one task's gate and promotion."""
    evaluate = create_model("EvaluateSettings", __base__=EvaluateSettings, gate=narrow(EvaluateSettings, "gate", gate))
    return create_model(
        "Params",
        __base__=Params,
        data=narrow(Params, "data", MEDIA[medium].Settings),
        validation=narrow(Params, "validation", MEDIA[medium].Validation),
        model=narrow(Params, "model", model),
        evaluate=narrow(Params, "evaluate", evaluate),
        promote=narrow(Params, "promote", promote),
    )


def narrow(settings: type[Settings], key: str, kind: type[Settings]) -> tuple[type[Settings], Any]:
    """Return a field as in `settings`, with the type and the defaults of `kind`."""
    info = settings.model_fields[key]
    return kind, Field(kind(), alias=info.alias, description=info.description)


def params_class_for(values: Mapping[str, Any]) -> type[Params]:
    """Return the Params class of the medium and variant that `values` names.

    Raises:
        InputError: An axis names something that does not exist. The message starts with the key's path.
    """
    data, model = values.get("data") or {}, values.get("model") or {}
    medium = axis_value(data, "data.medium", "medium", MEDIA, MEDIUM)
    variant = axis_value(model, "model.variant", "variant", VARIANTS, VARIANT if not model else None)
    settings = VARIANTS[variant].settings
    task = TASKS[settings.task]
    promote = promote_settings(tuple(task.measures(MEDIA[medium])))
    return params_class(medium, settings, task.gate(MEDIA[medium]), promote)


def axis_value(section: Any, path: str, key: str, known: Mapping[str, object], default: str | None) -> str:
    """Return the value of one axis. Raises InputError if it is missing or unknown."""
    name = section.get(key, default) if isinstance(section, Mapping) else default or next(iter(known))
    if name is None:
        raise InputError(f"{path}: missing; set it to dcgan, or see `ganline preset list`")
    if not isinstance(name, str) or name not in known:
        raise InputError(f"{path}: there is no {key} {name!r}; {suggest(str(name), list(known), f'known {key}s')}")
    return name


def load(path: Path) -> Params:
    """Read and check a parameters file.

    Raises:
        InputError: Names the file, the key's path, what is wrong and the nearest valid key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; run ganline from the project's root, or `ganline preset use digits` to write one"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    return parse(text, str(path))


def read_medium(path: Path) -> str:
    """Return `data.medium` of a parameters file that may be wrong elsewhere; the default if it cannot be read."""
    try:
        data = read_yaml(path.read_text(encoding="utf-8"), str(path)).get("data")
    except (OSError, UnicodeDecodeError, InputError):
        return MEDIUM
    return str(data.get("medium", MEDIUM)) if isinstance(data, dict) else MEDIUM


def parse(text: str, name: str) -> Params:
    """Check the text of a parameters file; `name` is what errors call it. Raises InputError."""
    return parse_values(read_yaml(text, name), name)


def read_yaml(text: str, name: str) -> dict[str, Any]:
    """Return the mapping in a YAML text. Raises InputError naming the line of a syntax error."""
    try:
        values = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{name}{where}: not valid YAML: {error.problem}") from None
    except YAMLError as error:
        raise InputError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise InputError(f"{name}: nested too deeply to be a parameters file") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(
            f"{name}: the top level must be keys such as `data:` and `train:`, not {type(values).__name__}"
        )
    return values


def parse_values(values: Mapping[str, Any], name: str = "params") -> Params:
    """Check parameters given as a mapping; `name` is what errors call their file. Raises InputError."""
    try:
        kind = params_class_for(values)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        lines = [explain(kind, detail) for detail in error.errors()]
        raise InputError("\n".join(f"{name}: {line}" for line in lines)) from None


def explain(kind: type[BaseModel], detail: ErrorDetails) -> str:
    """Describe one pydantic error: the key's path, what is wrong, and the nearest valid key for a typo."""
    location = [str(part) for part in detail["loc"]]
    path = ".".join(location)
    if detail["type"] == "extra_forbidden":
        if path in RENAMED:
            return f"{path}: renamed to `{RENAMED[path]}`; see CHANGELOG.md"
        settings = find_section(kind, location[:-1])
        known = [info.alias or key for key, info in settings.model_fields.items()] if settings else []
        label = "tests of this variant's task" if settings and issubclass(settings, Gate) else "known keys"
        return f"{path}: unknown key; {suggest(location[-1], known, label)}"
    if detail["type"] == "model_type":
        return f"{path}: must be a section with keys (got {detail['input']!r}); delete the line to use the defaults"
    message = detail["msg"].removeprefix("Value error, ")
    got = "" if isinstance(detail["input"], dict) else f" (got {detail['input']!r})"
    return f"{path}: {message}{got}" if path else message


def suggest(wanted: str, known: list[str], label: str) -> str:
    """Suggest the closest known name, or list them all."""
    if not known:
        return "this variant's task has no such setting; delete the key"
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
    return f"did you mean `{near[0]}`?" if near else f"{label}: {', '.join(sorted(known))}"


def find_section(settings: type[BaseModel], location: list[str]) -> type[BaseModel] | None:
    """Return the settings class at the end of a path of keys; None if the path leaves the settings."""
    current = settings
    for part in location:
        info = next((info for key, info in current.model_fields.items() if (info.alias or key) == part), None)
        options = [info.annotation, *getattr(info.annotation, "__args__", ())] if info else []
        section = next(
            (option for option in options if isinstance(option, type) and issubclass(option, BaseModel)), None
        )
        if section is None:
            return None
        current = section
    return current
