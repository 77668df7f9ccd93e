"""params.yaml as frozen, typed settings; the only place that reads it.

Unknown or out-of-range keys fail at once with the key's path and the nearest valid name.
"""

import difflib
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.data.settings import DataSettings, ValidateSettings
from pipeline.errors import InputError
from pipeline.evaluation.settings import GATES, EvaluateSettings
from pipeline.gans.settings import DCGANSettings, ModelSettings
from pipeline.promotion.settings import PromoteSettings
from pipeline.serving.settings import ExportSettings
from pipeline.settings import Settings
from pipeline.training.settings import TrainSettings


class TrackingSettings(Settings):
    """Names in MLflow. The address is the environment's MLFLOW_TRACKING_URI, else mlflow.db beside params.yaml."""

    experiment: str = Field("ganline", min_length=1)
    model: str = Field("ganline-digits", min_length=1, pattern=r"^[^/:]+$", description="name in the model registry")


class Params(Settings):
    """The whole of params.yaml."""

    data: DataSettings = DataSettings()
    validation: ValidateSettings = Field(ValidateSettings(), alias="validate")
    model: ModelSettings = DCGANSettings()
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    export: ExportSettings = ExportSettings()
    promote: PromoteSettings = PromoteSettings()
    tracking: TrackingSettings = TrackingSettings()

    @model_validator(mode="before")
    @classmethod
    def gate_of_the_task(cls, values: Any) -> Any:
        """The gate, given or not, is that of the variant's task."""
        evaluate = values.get("evaluate", {}) if isinstance(values, dict) else None
        if not isinstance(evaluate, dict) or not isinstance(gate := evaluate.get("gate", {}), dict):
            return values
        model = values.get("model", {"variant": "dcgan"})
        variant = model.get("variant") if isinstance(model, dict) else getattr(model, "variant", None)
        task = next((kind.task for kind in variants() if kind.model_fields["variant"].default == variant), None)
        if task is None:  # what is wrong is the variant
            return {**values, "evaluate": {name: value for name, value in evaluate.items() if name != "gate"}}
        own = GATES[task].model_fields
        if any(
            key not in own and (key == "task" or any(key in other.model_fields for other in GATES.values()))
            for key in gate
        ):
            raise ValueError(
                f"evaluate.gate: variant {variant} is judged by {', '.join(own)}; give these, or none for their defaults"
            )
        return {**values, "evaluate": {**evaluate, "gate": {**gate, "task": task}}}

    @model_validator(mode="after")
    def known_combinations(self) -> "Params":
        if self.data.resolution > 256:
            raise ValueError(f"data.resolution {self.data.resolution}: variant {self.model.variant} takes at most 256")
        if self.data.resolution < self.model.smallest:
            raise ValueError(
                f"data.resolution {self.data.resolution}: variant {self.model.variant} takes at least {self.model.smallest} with these settings"
            )
        group = self.model.group
        for name, size in (("batch_size", self.train.batch_size), ("micro_batch", self.train.micro_batch)):
            if isinstance(size, int) and size % group:
                raise ValueError(
                    f"train.{name} {size} cannot be divided into packs of model.stabilisers.packing {group}"
                )
        if self.data.fit == "keep" and self.model.task != "restore":
            raise ValueError(
                f"data.fit keep: variant {self.model.variant} makes images of one size; set data.fit: crop, or take srgan or denoise"
            )
        self.two_sides()
        if self.evaluate.gate.task != self.model.task:
            own = ", ".join(GATES[self.model.task].model_fields)
            raise ValueError(
                f"evaluate.gate: variant {self.model.variant} is judged by {own}; give these, or none for their defaults"
            )
        return self

    def two_sides(self) -> None:
        """Raises ValueError where the variant learns from pairs, or from two domains, and the data is something else."""
        variant, pairs, classes = self.model.variant, self.data.pairs, self.data.classes
        if self.model.sides == "paired":
            if pairs == "none":
                raise ValueError(
                    f"data.pairs none: variant {variant} learns from pairs A and B; set data.pairs: halves, folders or outline"
                )
        elif pairs != "none":
            known = [str(kind.model_fields["variant"].default) for kind in variants() if kind.sides == "paired"]
            other = f", or take a variant that learns from pairs ({', '.join(known)})" if known else ""
            raise ValueError(
                f"data.pairs {pairs}: variant {variant} does not learn from pairs; set data.pairs: none{other}"
            )
        elif self.model.sides == "domains" and classes is not None and len(classes) != 2:
            raise ValueError(
                f"data.classes: variant {variant} learns from two domains, and {len(classes)} are named; name two, such as [horse, deer]"
            )


def variants() -> list[Any]:
    """The settings class of each variant."""
    return list(get_args(get_args(ModelSettings)[0]))


def load(path: Path) -> Params:
    """Reads and checks a parameters file.

    Raises InputError naming the file, the key's path, what is wrong and the nearest valid key.
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


def parse(text: str, name: str) -> Params:
    """Checks the text of a parameters file; `name` is what errors call it. Raises InputError."""
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
        values = {}
    if not isinstance(values, dict):
        raise InputError(
            f"{name}: the top level must be keys such as `data:` and `train:`, not {type(values).__name__}"
        )
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        lines = [explain(detail) for detail in error.errors()]
        raise InputError("\n".join(f"{name}: {line}" for line in lines)) from None


def explain(detail: ErrorDetails) -> str:
    """One pydantic error in words: the key's path, what is wrong, and the nearest valid key for a typo."""
    location = [str(part) for part in detail["loc"]]
    settings, path = walk(Params, location)
    if detail["type"] == "extra_forbidden":
        wanted = location[-1]
        known = [info.alias or name for name, info in settings.model_fields.items()]
        return f"{path}: unknown key; {nearest(wanted, known, 'known keys')}"
    if detail["type"] == "union_tag_invalid":
        context = detail["ctx"]
        known = [tag.strip("' ") for tag in str(context["expected_tags"]).split(",")]
        return (
            f"{path}.variant: there is no variant {context['tag']!r}; {nearest(str(context['tag']), known, 'variants')}"
        )
    if detail["type"] == "union_tag_not_found":
        return f"{path}.variant: missing; set it to dcgan, or see `ganline preset list`"
    message = detail["msg"].removeprefix("Value error, ")
    got = "" if isinstance(detail["input"], dict) else f" (got {detail['input']!r})"
    return f"{path}: {message}{got}" if path else message


def nearest(wanted: str, known: list[str], label: str) -> str:
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
    return f"did you mean `{near[0]}`?" if near else f"{label}: {', '.join(sorted(known))}"


def walk(settings: type[BaseModel], location: list[str]) -> tuple[type[BaseModel], str]:
    """The settings class at the end of an error's location, as far as it leads, and the path as it is written in the file.

    Pydantic puts a variant's name, or a gate's task, into the location, where the file has none.
    """
    current, path = settings, []
    kinds: dict[str, type[BaseModel]] = {}
    for part in location:
        if part in kinds:
            current, kinds = kinds[part], {}
            continue
        path.append(part)
        info = next((info for name, info in current.model_fields.items() if (info.alias or name) == part), None)
        annotation = info.annotation if info else None
        kinds = {
            tag(option): option
            for option in map(bare, get_args(annotation))
            if isinstance(option, type) and issubclass(option, BaseModel)
        }
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            current = annotation
    return current, ".".join(path)


def bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def tag(option: type[BaseModel]) -> str:
    """What pydantic calls one member of a union: its variant, or its task."""
    return str(
        option.model_fields["variant"].default
        if "variant" in option.model_fields
        else getattr(option, "task", option.__name__)
    )
