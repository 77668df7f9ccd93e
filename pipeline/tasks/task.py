"""The contract of a task: what a model is for. The part that imports without torch."""

from abc import ABC
from typing import ClassVar

from pipeline.evaluation.settings import Gate


class Task(ABC):
    """What a model is for."""

    name: ClassVar[str]
    Gate: ClassVar[type[Gate]]
