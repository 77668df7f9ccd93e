"""Settings of the task's gate: one bound for each test, derived from the measures."""

from pipeline.evaluation.gate_settings import gate_settings
from pipeline.evaluation.settings import Gate
from pipeline.tasks.predict.prediction_measures import MEASURES

PredictionGate: type[Gate] = gate_settings(MEASURES)
"""Bounds of the tests of predicted frames; null switches a test off."""
