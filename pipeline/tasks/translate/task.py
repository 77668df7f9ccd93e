"""The task "translate"."""

from pipeline.tasks.task import Task
from pipeline.tasks.translate.settings import TranslationGate


class TranslateTask(Task):
    """The task "translate"."""

    name = "translate"
    Gate = TranslationGate
