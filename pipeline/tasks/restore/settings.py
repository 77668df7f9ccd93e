"""Settings of the task's gate: one bound for each test, derived from the measures."""

from pipeline.evaluation.gate_settings import gate_settings
from pipeline.tasks.restore.restoration_measures import MEASURES

RestorationGate = gate_settings(MEASURES)
"""Bounds of the tests of restored images, each applied to every trial; null switches a test off."""
