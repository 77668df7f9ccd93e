"""How a medium declares the measures of its statistics and profiles. Each reads what `Likeness` compared."""

from collections.abc import Mapping
from typing import Any

from pipeline.measure import Better, Measure, Measurement, Symptom

Found = Mapping[str, Measurement]
"""The measures of a set of samples, by name."""


def statistic_measure(
    name: str, explanation: str, *symptoms: Symptom, real: str, better: Better = "range", **about: Any
) -> Measure[Any]:
    """Return the measure of a statistic relative to real items; those of a range share the setting `appearance`.

    Args:
        name: Key of `Medium.statistics`.
        explanation: What the statistic is, in words.
        symptoms: What a failed test may mean.
        real: Real items in words, such as "real images".
        better: Direction.
        about: Further fields of the measure.
    """
    shared: dict[str, Any] = (
        {"bound": 0.25, "setting": "appearance", "limits": {"gt": 0, "lt": 1}} if better == "range" else {}
    )
    return Measure(
        name,
        lambda data: data.appearance.get(name, Measurement(None)),
        f"{explanation} over that of {real}",
        better=better,
        missing=f"too few {real} for two sets of them",
        group="appearance",
        symptoms=symptoms,
        **(shared | about),
    )


def profile_measure(
    name: str, explanation: str, bound: float | None, *symptoms: Symptom, real: str, **about: Any
) -> Measure[Any]:
    """Return the measure of a profile: its excess over the null, which a setting of its own name bounds.

    Arguments as in `statistic_measure`; `name` is that of the profile.
    """
    shared: dict[str, Any] = {"kind": "excess", "better": "low", "limits": {"gt": 0}}
    return Measure(
        name,
        lambda data: data.profiles[name].measurement if name in data.profiles else Measurement(None),
        explanation,
        bound=bound,
        missing=f"too few {real} for two sets of them",
        group="appearance",
        symptoms=symptoms,
        **(shared | about),
    )


def name_change(data: Any) -> str | None:
    """Return the name of what was done to all samples; None if nothing was."""
    return data.change.name if data.change else None


def ratio(found: Found, name: str) -> float:
    """Return a statistic of samples over that of real items; 1 if it was not measured."""
    number = found.get(name, Measurement(None)).number
    return 1.0 if number is None else float(number)


def number(found: Found, name: str) -> float:
    """Return a measure; 0 if it was not measured."""
    return float(found.get(name, Measurement(None)).number or 0.0)


def excess(found: Found, name: str) -> float:
    """Return a measure minus its null; 0 if it was not measured."""
    measurement = found.get(name, Measurement(None))
    return float(measurement.number or 0.0) - (measurement.null or 0.0)
