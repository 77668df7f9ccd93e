"""What holds for the settings of every variant."""

from typing import ClassVar, Literal

from pipeline.settings import Settings

Task = Literal["generate", "restore", "translate"]
"""What a variant is for: its looks, its judgement, its report and its gate follow from it."""

Objective = Literal["nonsaturating", "minimax", "lsgan", "wgan", "hinge", "relativistic"]


class VariantSettings(Settings):
    """The task, the pictures on two sides that it needs (none, pairs that belong together, or two domains), and how many images of a batch
    cannot be parted."""

    task: ClassVar[Task] = "generate"
    sides: ClassVar[Literal["", "paired", "domains"]] = ""

    @property
    def group(self) -> int:
        return 1

    @property
    def smallest(self) -> int:
        """The least data.resolution that the variant can be trained at."""
        return 8
