"""params.yaml as frozen, typed settings; the only place that reads it.

Unknown or out-of-range keys fail at once with the key's path and the nearest valid name.
"""

import difflib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.data.settings import DataSettings, ValidateSettings
from pipeline.errors import InputError
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.gans.settings import DCGANSettings, ModelSettings
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
    tracking: TrackingSettings = TrackingSettings()

    @model_validator(mode="after")
    def known_combinations(self) -> "Params":
        if self.data.resolution > 256:
            raise ValueError(f"data.resolution {self.data.resolution}: variant {self.model.variant} takes at most 256")
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
    path = ".".join(location)
    if detail["type"] == "extra_forbidden":
        known = fields(Params, location[:-1])
        near = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(sorted(known))}"
        return f"{path}: unknown key; {hint}"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{path}: {message} (got {detail['input']!r})" if path else message


def fields(model: type[BaseModel], location: list[str]) -> list[str]:
    """The keys valid at a path inside a settings class."""
    current: Any = model
    for part in location:
        match = {(info.alias or name): info.annotation for name, info in current.model_fields.items()}
        current = match.get(part)
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            return []
    return [info.alias or name for name, info in current.model_fields.items()]
