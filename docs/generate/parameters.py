"""Pages on params.yaml, from the pydantic models: one entry a key, with type, default, range and description."""

import functools
import inspect
import math
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import annotated_types
from pydantic import AfterValidator, BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from ruamel.yaml import YAML

from pipeline.evaluation.settings import EvaluateSettings
from pipeline.gans.registry import VARIANTS
from pipeline.media.registry import MEDIA
from pipeline.params import Params
from pipeline.promotion.settings import PromoteSettings, promote_settings
from pipeline.serving.settings import ExportSettings
from pipeline.settings import Ramp, Settings
from pipeline.tasks.registry import TASKS
from pipeline.tracking.settings import TrackingSettings
from pipeline.training.settings import TrainSettings
from pipeline.tuning.settings import TuneSettings

OF_A_TASK = ("evaluate.gate", "promote.limits", "promote.floors")
"""Sections whose keys depend on the task of the variant."""
PROMOTION = "Bounds of the task's measures that {doc}`ganline promote </guides/promotion>` applies."
WORDS = {int: "integer", float: "number", str: "text", bool: "true or false"}


@dataclass(frozen=True)
class Parameter:
    """One key of params.yaml."""

    path: str
    type: str
    default: str
    bounds: str
    description: str


@dataclass(frozen=True)
class Section:
    """A mapping of params.yaml: its path, what it is about, and the keys directly in it."""

    path: str
    about: str
    parameters: list[Parameter]


def sections(
    model: type[BaseModel], path: str, default: BaseModel | None = None, description: str = ""
) -> Iterator[Section]:
    """Yield the section of a settings class and, after it, those nested in it.

    Args:
        default: The section's values; None for the defaults of the class.
        description: What the parent says about the section; by default the docstring of the class.
    """
    parameters, nested = [], []
    for name, field in model.model_fields.items():
        key = f"{path}.{field.alias or name}"
        value = getattr(default, name) if default is not None else field.get_default(call_default_factory=True)
        inner = settings_class(field.annotation)
        if inner is not None and isinstance(value, BaseModel):
            nested.append((type(value), key, value, description_of(model, name)))
        else:
            parameters.append(describe(key, field, value, description_of(model, name)))
    yield Section(path, sentence(paragraph(description or inspect.getdoc(model) or "")), parameters)
    for kind, key, inner_default, about in nested:
        yield from sections(kind, key, inner_default, about)


def description_of(model: type[BaseModel], name: str) -> str:
    """Return the description of a field, by default the one that a base class gives."""
    classes = [kind for kind in model.__mro__ if isinstance(kind, type) and issubclass(kind, BaseModel)]
    texts = (kind.model_fields[name].description for kind in classes if name in kind.model_fields)
    return next((text for text in texts if text), "")


def describe(path: str, field: FieldInfo, default: object, description: str) -> Parameter:
    """Describe one key that holds a value."""
    constraints = [*field.metadata, *nested_metadata(field.annotation)]
    shown = "required" if default is PydanticUndefined else in_yaml(default)
    return Parameter(path, type_of(field.annotation), shown, bounds(constraints), paragraph(description))


def settings_class(annotation: Any) -> type[BaseModel] | None:
    """Return the settings class in an annotation, if its keys are a section of their own and not on one line."""
    options = [annotation, *typing.get_args(annotation)]
    for option in options:
        if isinstance(option, type) and issubclass(option, Settings) and not option.one_line:
            return option
    return None


def type_of(annotation: Any) -> str:
    """Return an annotation in words."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_of(arguments[0])
    if origin is Literal:
        return " | ".join(f"`{in_yaml(value)}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(type_of(argument) for argument in arguments)
    if origin is tuple:
        several = arguments[-1] is Ellipsis
        kinds = [type_of(argument) for argument in arguments if argument is not Ellipsis]
        return f"list of {kinds[0]}" if several else f"[{', '.join(kinds)}]"
    if origin is dict:
        return "mapping"
    if annotation is types.NoneType:
        return "`null`"
    if annotation is Ramp:
        return "number | {start, end}"
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return f"{{{', '.join(annotation.model_fields)}}}"
    return WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def nested_metadata(annotation: Any) -> Iterator[Any]:
    """Yield the constraints inside an annotation, such as those on the items of a list."""
    if typing.get_origin(annotation) is typing.Annotated:
        yield from getattr(annotation, "__metadata__", ())
    for argument in typing.get_args(annotation):
        if typing.get_origin(argument) is not None:
            yield from nested_metadata(argument)


def bounds(constraints: list[Any]) -> str:
    """Return the range that constraints allow, in words; empty without a range."""
    low, high, extra = "", "", []
    for constraint in flatten(constraints):
        if isinstance(constraint, annotated_types.Ge):
            low = f"at least {number(constraint.ge)}"
        elif isinstance(constraint, annotated_types.Gt):
            low = f"above {number(constraint.gt)}"
        elif isinstance(constraint, annotated_types.Le):
            high = f"at most {number(constraint.le)}"
        elif isinstance(constraint, annotated_types.Lt):
            high = f"below {number(constraint.lt)}"
        elif isinstance(constraint, annotated_types.MultipleOf):
            extra.append(f"a multiple of {constraint.multiple_of}")
        elif isinstance(constraint, AfterValidator) and isinstance(constraint.func, functools.partial):
            least, most = constraint.func.keywords["least"], constraint.func.keywords["most"]
            low, high = f"at least {number(least)}", "" if math.isinf(most) else f"at most {number(most)}"
    return ", ".join(text for text in (low, high, *extra) if text)


def flatten(constraints: list[Any]) -> Iterator[Any]:
    """Yield constraints, with those of a nested FieldInfo or group in place."""
    for constraint in constraints:
        if isinstance(constraint, FieldInfo):
            yield from flatten(constraint.metadata)
        elif isinstance(constraint, annotated_types.GroupedMetadata):
            yield from flatten(list(constraint))
        else:
            yield constraint


def number(value: Any) -> str:
    """Return a number as params.yaml would show it, with thousands separated."""
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def in_yaml(value: Any) -> str:
    """Return a default as it stands in params.yaml."""
    if isinstance(value, Ramp):
        return (
            in_yaml(value.start)
            if value.start == value.end
            else f"{{start: {in_yaml(value.start)}, end: {in_yaml(value.end)}}}"
        )
    if isinstance(value, BaseModel):
        return "{" + ", ".join(f"{key}: {in_yaml(item)}" for key, item in value) + "}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(in_yaml(item) for item in value)}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
    if isinstance(value, str):
        return value if value and YAML(typ="safe", pure=True).load(value) == value else f'"{value}"'
    return str(value)


def paragraph(text: str) -> str:
    """Return a docstring or description as Markdown: its blocks, each with lines joined."""
    return "\n\n".join(" ".join(block.split()) for block in text.split("\n\n") if not block.startswith("Attributes:"))


def union(found: list[Section]) -> list[Section]:
    """Return sections without those and the keys that occurred before; a gate has some keys only for some media."""
    merged: dict[str, Section] = {}
    for section in found:
        known = merged.setdefault(section.path, Section(section.path, section.about, []))
        paths = {parameter.path for parameter in known.parameters}
        known.parameters.extend(parameter for parameter in section.parameters if parameter.path not in paths)
    return list(merged.values())


def entries(found: typing.Iterable[Section], label: str = "") -> str:
    """Return sections as Markdown. With `label`, keys that several pages share are kept out of the index."""
    lines = []
    for number, section in enumerate(found):
        if number:
            lines += [f"## `{section.path}`", "", section.about, ""]
        else:
            lines += [section.about, ""]
        for parameter in section.parameters:
            lines += entry(parameter, label)
    return "\n".join(lines)


def entry(parameter: Parameter, label: str) -> list[str]:
    """Return the lines of one parameter."""
    kind = parameter.type + (f", {parameter.bounds}" if parameter.bounds else "")
    lines = [f"(param-{label}{parameter.path})="] if label else []
    lines += ["```{confval} " + parameter.path, f":type: {kind}", f":default: `{parameter.default}`"]
    lines += [":no-index:"] if label else []
    return [*lines, "", sentence(parameter.description), "```", ""]


def sentence(text: str) -> str:
    """Return a description as a sentence: a capital first letter, unless it begins with a value, and a full stop."""
    if not text:
        return text
    is_word = re.match(r"[a-z][a-z-]*(?=[ ,;.]|$)", text) and not re.match(r"\S+ ?[|:]", text)
    return (text[0].upper() + text[1:] if is_word else text) + ("" if text.endswith(".") else ".")


def pages() -> dict[str, str]:
    """Return the pages by path below docs/reference/generated/."""
    found = {}
    for name, model, title in (
        ("train", TrainSettings, "train: the training loop"),
        ("evaluate", EvaluateSettings, "evaluate: samples and features"),
        ("export", ExportSettings, "export: the ONNX graph"),
        ("promote", PromoteSettings, "promote: champion and challenger"),
        ("tune", TuneSettings, "tune: the search of better values"),
        ("tracking", TrackingSettings, "tracking: names in MLflow"),
    ):
        shared = [section for section in sections(model, name) if section.path not in OF_A_TASK]
        found[f"parameters/{name}.md"] = f"# {title}\n\n{entries(shared)}"
    for name, medium in MEDIA.items():
        for section, kind in (("data", medium.Settings), ("validate", medium.Validation)):
            about = (
                f"Each check has a limit and a {description_of(Params, 'validation')}" if section == "validate" else ""
            )
            text = entries(sections(kind, section, description=about), f"{name}-")
            found[f"parameters/{section}-{name}.md"] = f"# {section}: medium `{name}`\n\n{text}"
    for name, variant in VARIANTS.items():
        text = entries(sections(variant.settings, "model"), f"{name}-")
        task = f"Task: {{doc}}`{variant.settings.task} <gate-{variant.settings.task}>`.\n\n"
        found[f"parameters/model-{name}.md"] = f"# model: variant `{name}`\n\n{task}{text}"
    for name, task_object in TASKS.items():
        gates = [task_object.gate(medium) for medium in MEDIA.values()]
        text = entries(union([section for gate in gates for section in sections(gate, "evaluate.gate")]), f"{name}-")
        found[f"parameters/gate-{name}.md"] = f"# evaluate.gate: task `{name}`\n\n{text}"
        promotions = [promote_settings(tuple(task_object.measures(medium))) for medium in MEDIA.values()]
        bounds = union([section for kind in promotions for section in sections(kind, "promote")])
        if bounds := [section for section in bounds if section.path in OF_A_TASK and section.parameters]:
            text = entries([Section("", PROMOTION, []), *bounds], f"{name}-")
            found[f"parameters/promotion-{name}.md"] = f"# promote.limits, promote.floors: task `{name}`\n\n{text}"
    return found
