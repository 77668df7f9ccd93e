"""Settings of the task's gate: one bound for each test, derived from the measures."""

from pipeline.evaluation.gate_settings import gate_settings
from pipeline.tasks.translate.translation_measures import MEASURES

TranslationGate = gate_settings(MEASURES)
"""Bounds of the tests of translated images, each applied to every direction; null switches a test off."""
