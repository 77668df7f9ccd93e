"""The task "restore"."""

from pipeline.tasks.restore.settings import RestorationGate
from pipeline.tasks.task import Task


class RestoreTask(Task):
    """The task "restore"."""

    name = "restore"
    Gate = RestorationGate
