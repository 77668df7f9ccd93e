"""Settings of the task's gate: one bound for each test, derived from the measures."""

import functools
from typing import Any

from pipeline.evaluation.gate_settings import gate_settings
from pipeline.evaluation.settings import Gate
from pipeline.measure import Measure


class RestorationGate(Gate):
    """Bounds of the tests of restored images, each applied to every trial; null switches a test off."""


@functools.cache
def restoration_gate(measures: tuple[Measure[Any], ...]) -> type[Any]:
    """Return the class of the gate's settings for these measures."""
    return gate_settings(measures, RestorationGate)
