"""The task "generate"."""

from pipeline.tasks.generate.settings import GateSettings
from pipeline.tasks.task import Task


class GenerateTask(Task):
    """The task "generate"."""

    name = "generate"
    Gate = GateSettings
