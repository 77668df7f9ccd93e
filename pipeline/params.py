"""params.yaml as frozen, typed settings; the only place that reads it.

Unknown or out-of-range keys fail at once with the key's path and the nearest valid name.
"""

import difflib
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.data.settings import DataSettings, ValidateSettings
from pipeline.errors import InputError
from pipeline.evaluation.settings import EvaluateSettings
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

    @model_validator(mode="after")
    def known_combinations(self) -> "Params":
        if self.data.resolution > 256:
            raise ValueError(f"data.resolution {self.data.resolution}: variant {self.model.variant} takes at most 256")
        packing = self.model.stabilisers.packing
        for name, size in (("batch_size", self.train.batch_size), ("micro_batch", self.train.micro_batch)):
            if isinstance(size, int) and size % packing:
                raise ValueError(f"train.{name} {size} cannot be divided into packs of model.stabilisers.packing {packing}")
        return self


def load(path: Path) -> Params:
    """Reads and checks a parameters file.

    Raises InputError naming the file, the key's path, what is wrong and the nearest valid key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run ganline from the project's root, or `ganline preset use digits` to write one") from None
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
        raise InputError(f"{name}: the top level must be keys such as `data:` and `train:`, not {type(values).__name__}")
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
        return f"{path}.variant: there is no variant {context['tag']!r}; {nearest(str(context['tag']), known, 'variants')}"
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

    Pydantic puts a variant's name into the location, where the file has none.
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
        kinds = {option.model_fields["variant"].default: option for option in get_args(annotation) if "variant" in getattr(option, "model_fields", {})}
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            current = annotation
    return current, ".".join(path)
