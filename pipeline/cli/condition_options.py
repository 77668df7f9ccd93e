"""Command-line options for the conditions of a generator, derived from the table of graph tensors."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from pipeline.serving.graph_tensors import TENSOR_OF_CONTROL, TENSORS


def with_condition_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the keyword argument `conditions` of a command by one option per control.

    The command receives a mapping from control names to values, None where an option was omitted.
    """

    @functools.wraps(command)
    def wrapper(**arguments: Any) -> None:
        conditions = {name: arguments.pop(name) for name in TENSOR_OF_CONTROL}
        command(**arguments, conditions=conditions)

    signature = inspect.signature(command)
    own = [parameter for name, parameter in signature.parameters.items() if name != "conditions"]
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=option_type(name), default=None)
        for name in TENSOR_OF_CONTROL
    ]
    wrapper.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    return wrapper


def option_type(name: str) -> Any:
    """Return the annotated type of a control's option."""
    control = TENSORS[TENSOR_OF_CONTROL[name]].control
    assert control is not None
    value: Any = control.value
    return Annotated[
        (list[value] if control.many else value) | None, typer.Option(help=control.help, show_default=False)
    ]
