"""Settings of the gate of generated images, for tests."""

from typing import Any

from pipeline.media.registry import MEDIA
from pipeline.tasks.registry import TASKS

GateSettings: Any = TASKS["generate"].gate(MEDIA["image"])

ALL_OFF = {name: None for name in GateSettings.model_fields if name != "significance"}
"""Every test switched off."""
