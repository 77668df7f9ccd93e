"""Settings of the gate for generated images, and of promotion."""

from typing import Any

from pipeline.media.registry import MEDIA
from pipeline.tasks.registry import TASKS

GateSettings: Any = TASKS["generate"].gate(MEDIA["image"])

ALL_OFF = {name: None for name in GateSettings.model_fields if name != "significance"}
"""Settings that disable every test."""

NO_FLOORS = "floors: {recall: null, coverage: null, vendi_ratio: null, modes_covered: null}, diversity: null"
"""Settings of `promote:` that disable the lower bounds."""
