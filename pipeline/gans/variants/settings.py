"""Settings that every variant shares. Pydantic only, so that reading parameters never imports torch."""

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.items import DataLayout
from pipeline.settings import Settings

Objective = Literal["nonsaturating", "minimax", "lsgan", "wgan", "hinge", "relativistic"]
Sides = Literal["", "paired", "domains", "classes"]


class VariantSettings(Settings):
    """The base of every variant's settings.

    Attributes:
        task: Name of the task the variant is for, see `pipeline.tasks`.
        sides: What the variant translates between: "" nothing, "paired" pairs A and B, "domains" two classes, "classes"
            all classes.
        any_size: The variant trains on crops of items that keep their sizes.
        largest: The largest height and width it can be trained at.
        categorical: It can be trained on categories, such as the pitches of music.
        group_key: Key of the setting that decides `group`.
    """

    task: ClassVar[str] = "generate"
    sides: ClassVar[Sides] = ""
    any_size: ClassVar[bool] = False
    largest: ClassVar[int] = 256
    categorical: ClassVar[bool] = False
    group_key: ClassVar[str] = "model.stabilisers.packing"

    variant: str = Field("", description="networks and training game")

    @property
    def group(self) -> int:
        """Items of a batch that cannot be separated, such as those that are scored together (PacGAN)."""
        return 1

    @property
    def own_data(self) -> int:
        """The number of workers that have data sets of their own; 0 if the variant is trained on the project's."""
        return 0

    @property
    def text_encoder(self) -> tuple[str, str] | None:
        """The files of a user's text encoder and of its tokenizer; None without one."""
        return None

    @property
    def augmentation(self) -> str:
        """The policy that augments what the discriminator sees; "none" without one."""
        return "none"

    @property
    def smallest(self) -> int:
        """The smallest height and width the variant can be trained at."""
        return 8

    def check_shape(self, height: int, width: int, keys: str = "data.resolution") -> None:
        """Raise ValueError unless the networks can be built for items of this shape, which the settings `keys` decide.

        The default suits networks that halve the side repeatedly: a square whose side is a power of two.
        """
        if height != width or height & (height - 1):
            raise ValueError(
                f"{keys} {height} x {width}: variant {self.variant} needs squares whose side is a power "
                "of two (8, 16, 32, 64, ...)"
            )
        if not self.smallest <= height <= self.largest:
            bound = f"at least {self.smallest}" if height < self.smallest else f"at most {self.largest}"
            raise ValueError(f"{keys} {height}: variant {self.variant} takes {bound} with these settings")

    def check_data(self, data: DataLayout) -> None:
        """Raise ValueError if the variant cannot be trained on data of this layout; the message names the fix."""
        if data.symbols and not self.categorical:
            raise ValueError(
                f"model.variant {self.variant}: its networks make values on a scale, and the items of this data.medium "
                "are categories; set model.variant: musegan or vanilla"
            )
        self.check_shape(data.height, data.width, data.size_keys)
        if self.sides == "paired" and not data.paired:
            raise ValueError(
                f"data.pairs none: variant {self.variant} needs pairs A and B; "
                "set data.pairs: halves, folders or outline"
            )
        if self.sides == "domains" and data.classes is not None and len(data.classes) != 2:
            raise ValueError(
                f"data.classes: variant {self.variant} needs two domains, but {len(data.classes)} are named: "
                "name two, such as [horse, deer]"
            )
