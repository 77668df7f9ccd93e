"""Command-line options derived from other tables: conditions of a generator, and settings of the service.

The tables need numpy and pydantic. They are read when the options of their command are needed, so that
`ganline --help` is fast.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Command = Callable[..., None]


@dataclass(frozen=True)
class DerivedOptions:
    """The options that replace an argument of a command, and the function that turns their values into it."""

    argument: str
    options: list[inspect.Parameter]
    build: Callable[[Mapping[str, Any]], Any]


class DerivedCommand(TyperCommand):
    """A command with derived options, which are read on first use."""

    def __init__(self, name: str | None, *, callback: Any, **settings: Any) -> None:
        self.complete: Callable[[], Any] = functools.cache(callback.complete)
        super().__init__(name, callback=callback, **settings)

    @property
    def params(self) -> Any:
        """Options and arguments, the derived ones included."""
        return self.complete().params

    @params.setter
    def params(self, value: Any) -> None:
        """Ignore those of the placeholder, which has none."""

    @property
    def callback(self) -> Any:
        """The function that runs the command."""
        return self.complete().callback

    @callback.setter
    def callback(self, value: Any) -> None:
        """Ignore the placeholder."""


def with_options(derive: Callable[[], DerivedOptions]) -> Callable[[Command], Command]:
    """Replace an argument of a command by derived options. The command is registered with `cls=DerivedCommand`."""

    def decorate(command: Command) -> Command:
        def placeholder() -> None: ...

        def complete() -> Any:
            app = typer.Typer(add_completion=False)
            app.command(command.__name__)(bind(command, derive()))
            return typer.main.get_command(app)

        placeholder.__name__, placeholder.__doc__ = command.__name__, command.__doc__
        placeholder.complete = complete  # type: ignore[attr-defined]
        return placeholder

    return decorate


def bind(command: Command, derived: DerivedOptions) -> Command:
    """Return the command with the derived options in its signature."""

    def wrapper(**arguments: Any) -> None:
        values = {option.name: arguments.pop(option.name) for option in derived.options}
        command(**arguments, **{derived.argument: derived.build(values)})

    own = [option for name, option in inspect.signature(command).parameters.items() if name != derived.argument]
    wrapper.__doc__ = command.__doc__
    wrapper.__signature__ = inspect.Signature([*own, *derived.options])  # type: ignore[attr-defined]
    return wrapper


def condition_options() -> DerivedOptions:
    """Return one option per control of the graph tensors; the command gets their values by name, None if omitted."""
    from pipeline.serving.graph_tensors import TENSOR_OF_CONTROL, TENSORS

    options = []
    for name, tensor in TENSOR_OF_CONTROL.items():
        control = TENSORS[tensor].control
        assert control is not None
        value: Any = list[control.value] if control.many else control.value  # type: ignore[name-defined]
        kind = Annotated[value | None, typer.Option(help=control.help, show_default=False)]
        options.append(option(name, kind, default=None))
    return DerivedOptions("conditions", options, dict)


def service_options() -> DerivedOptions:
    """Return one option per setting of the service, except its token, which would show in the list of processes."""
    from pipeline.serving.settings import ServeSettings

    fields = {name: field for name, field in ServeSettings.model_fields.items() if name != "token"}
    options = [option(name, field_type(name, field), default=field.default) for name, field in fields.items()]
    return DerivedOptions("settings", options, lambda values: ServeSettings(**values))


def option(name: str, annotation: Any, *, default: Any) -> inspect.Parameter:
    """Return the parameter that typer reads as an option."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def field_type(name: str, field: "FieldInfo") -> Any:
    """Return the annotated type of a setting's option, with the limits and the description of the field."""
    limits = {
        key: getattr(entry, bound)
        for entry in field.metadata
        for key, bound in (("min", "ge"), ("max", "le"))
        if hasattr(entry, bound)
    }
    description = field.description or ""
    help_text = f"{description[:1].upper()}{description[1:]}."
    names = [f"--{name.replace('_', '-')}"]  # named, so that a flag gets no --no- form
    value: Any = field.annotation
    return Annotated[value, typer.Option(*names, help=help_text, **limits)]
