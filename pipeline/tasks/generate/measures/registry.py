"""The measures of the task, by name, and the decorator that declares one."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.measure import Measure, Measurement, Value
from pipeline.media.base import Medium

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet

    Compute: TypeAlias = Callable[[SampleSet], Measurement | Value]

MEASURES: dict[str, Measure[Any]] = {}

GROUPS = ("repeats", "classes", "conditions", "fidelity", "copying", "appearance")
"""Order of the groups in report and reasons; measures of other groups follow."""


def measure(**about: Any) -> Callable[["Compute"], "Compute"]:
    """Declare the decorated function as a measure named after it; `about` are the fields of `Measure`."""

    def declare(compute: "Compute") -> "Compute":
        name: str = compute.__name__
        MEASURES[name] = Measure(name, compute, **about)
        return compute

    return declare


def measures_for(medium: Medium) -> list[Measure[Any]]:
    """Return the measures of samples of a medium, its own included."""
    return in_order([*MEASURES.values(), *(one for one in medium.appearance() if "input" not in one.needs)])


def measure_modules(medium: Medium) -> tuple[str, ...]:
    """Return the modules that define these measures, for code digests."""
    return tuple(dict.fromkeys(measure.compute.__module__ for measure in measures_for(medium)))


def in_order(measures: Iterable[Measure[Any]]) -> list[Measure[Any]]:
    """Return measures group by group, each group as declared."""
    place = {group: number for number, group in enumerate(GROUPS)}
    return sorted(measures, key=lambda one: place.get(one.group, len(GROUPS)))
