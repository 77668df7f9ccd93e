"""Combine the measures of a task with those of the medium of its items."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.measure import Measure, Symptom
from pipeline.media.base import Medium

CHANGES = ("placement", "placement_change", "pitch_change", "pitch_change_kind")
"""Measures of what was done to all samples alike, which results of a transformation are not compared for."""


SHOWN_BY = {"checkerboard artefacts": ("checkerboard", "spectrum", "patch_spectrum", "sharpness")}
"""Measures that show a failure mode of a medium in results of a transformation, too."""


def add_medium_measures(
    own: Sequence[Measure[Any]], medium: Medium, advice: Mapping[str, str], without: Iterable[str] = ()
) -> tuple[Measure[Any], ...]:
    """Return the measures of a task, then those of the medium's appearance that the task does not have itself.

    Args:
        own: Measures of the task.
        medium: The medium.
        advice: What to try against failure modes of the medium, by name, instead of what the medium says.
        without: Names of measures of the medium that mean nothing for the task.
    """
    known = {measure.name for measure in own} | set(without)
    return (*own, *(advise(measure, advice) for measure in medium.appearance() if measure.name not in known))


def advise(measure: Measure[Any], advice: Mapping[str, str]) -> Measure[Any]:
    """Return a measure whose failure modes give this advice, if there is one, and are shown by `SHOWN_BY`."""

    def change(symptom: Symptom) -> Symptom:
        more = SHOWN_BY.get(symptom.name, ())
        return replace(symptom, advice=advice.get(symptom.name, symptom.advice), causes=(*symptom.causes, *more))

    return replace(measure, symptoms=tuple(map(change, measure.symptoms)))


def modules_of(measures: Iterable[Measure[Any]]) -> tuple[str, ...]:
    """Return the modules that define these measures, for code digests."""
    return tuple(dict.fromkeys(measure.compute.__module__ for measure in measures))
