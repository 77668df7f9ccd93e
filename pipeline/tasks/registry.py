"""The tasks: one line each. A variant's settings name its task."""

from pipeline.tasks.generate.task import GenerateTask
from pipeline.tasks.predict.task import PredictTask
from pipeline.tasks.restore.task import RestoreTask
from pipeline.tasks.task import Task
from pipeline.tasks.translate.task import TranslateTask

TASKS: dict[str, Task] = {
    "generate": GenerateTask(),
    "restore": RestoreTask(),
    "translate": TranslateTask(),
    "predict": PredictTask(),
}
