"""Command-line options derived from other tables: conditions of a generator, and settings of the service."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo

from pipeline.serving.graph_tensors import TENSOR_OF_CONTROL, TENSORS
from pipeline.settings import Settings

Command = Callable[..., None]


def with_condition_options(command: Command) -> Command:
    """Replace the argument `conditions` of a command by one option per control of the graph tensors.

    The command receives a mapping from control names to values, None for omitted options.
    """
    parameters = [option(name, condition_type(name), default=None) for name in TENSOR_OF_CONTROL]
    return with_options(command, "conditions", parameters, dict)


def with_settings_options(settings: type[Settings], *, without: str) -> Callable[[Command], Command]:
    """Replace the argument `settings` of a command by one option per field, except the field `without`."""

    def decorate(command: Command) -> Command:
        fields = {name: field for name, field in settings.model_fields.items() if name != without}
        parameters = [option(name, field_type(name, field), default=field.default) for name, field in fields.items()]
        return with_options(command, "settings", parameters, lambda values: settings(**values))

    return decorate


def with_options(
    command: Command, argument: str, parameters: list[inspect.Parameter], build: Callable[[Mapping[str, Any]], Any]
) -> Command:
    """Replace an argument of a command by options whose values `build` turns into the argument."""

    @functools.wraps(command)
    def wrapper(**arguments: Any) -> None:
        values = {parameter.name: arguments.pop(parameter.name) for parameter in parameters}
        command(**arguments, **{argument: build(values)})

    signature = inspect.signature(command)
    own = [parameter for name, parameter in signature.parameters.items() if name != argument]
    wrapper.__signature__ = signature.replace(parameters=[*own, *parameters])  # type: ignore[attr-defined]
    return wrapper


def option(name: str, annotation: Any, *, default: Any) -> inspect.Parameter:
    """Return the parameter that typer reads as an option."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def condition_type(name: str) -> Any:
    """Return the annotated type of a control's option."""
    control = TENSORS[TENSOR_OF_CONTROL[name]].control
    assert control is not None
    value: Any = control.value
    return Annotated[
        (list[value] if control.many else value) | None, typer.Option(help=control.help, show_default=False)
    ]


def field_type(name: str, field: FieldInfo) -> Any:
    """Return the annotated type of a setting's option, with the limits and the description of the field."""
    limits = {
        key: getattr(entry, bound)
        for entry in field.metadata
        for key, bound in (("min", "ge"), ("max", "le"))
        if hasattr(entry, bound)
    }
    help_text = (field.description or "").capitalize() + "."
    names = [f"--{name.replace('_', '-')}"]  # named, so that a flag gets no --no- form
    value: Any = field.annotation
    return Annotated[value, typer.Option(*names, help=help_text, **limits)]
