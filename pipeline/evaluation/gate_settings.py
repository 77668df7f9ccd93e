"""Derive the settings of a gate from the measures of a task."""

from collections.abc import Iterable
from typing import Any

from pydantic import Field, create_model

from pipeline.evaluation.settings import Gate
from pipeline.evaluation.wording import join_names
from pipeline.measure import Measure


def gate_settings(measures: Iterable[Measure[Any]], base: type[Gate] = Gate, **extra: Any) -> type[Any]:
    """Return a settings class with one bound for each test; measures with the same setting share the bound.

    Args:
        measures: The measures of a task; those without `better` have no bound.
        base: Base class, which may have its own validators.
        extra: Further fields, in the form that pydantic's `create_model` accepts.
    """
    sharing: dict[str, list[Measure[Any]]] = {}
    for measure in measures:
        if measure.better is not None:
            sharing.setdefault(measure.key, []).append(measure)
    fields: dict[str, Any] = {key: field(users) for key, users in sharing.items()}
    return create_model("GateSettings", __base__=base, __module__=__name__, **fields, **extra)


def field(measures: list[Measure[Any]]) -> tuple[Any, Any]:
    """Return the type and the pydantic Field of a bound."""
    first = measures[0]
    kind = tuple[float, float] if isinstance(first.bound, tuple) else float
    limits: Any = first.limits
    return kind | None, Field(first.bound, description=describe(measures), **limits)


def describe(measures: list[Measure[Any]]) -> str:
    """Describe a bound: what is measured and which values pass."""
    first = measures[0]
    beyond = " beyond those of real images" if first.kind == "excess" else ""
    what = join_names([measure.name for measure in measures]) + beyond if len(measures) > 1 else first.explanation
    if first.better == "range":
        return f"{what}: {'min and max' if isinstance(first.bound, tuple) else 'relative deviation, at most'}"
    if first.better == "high" and first.kind == "excess":
        return f"{what}: deficit, at most"
    return f"{what}, {'at most' if first.better == 'low' else 'at least'}"
