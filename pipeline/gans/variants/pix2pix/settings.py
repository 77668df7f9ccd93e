"""Settings of pix2pix."""

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.gans.game.translation_settings import TranslationSettings
from pipeline.gans.variants.settings import Objective, Sides
from pipeline.settings import Settings


class Pix2PixWeights(Settings):
    """What the generator's loss is made of."""

    adversarial: float = Field(1.0, ge=0, description="adversarial loss")
    l1: float = Field(100.0, ge=0, description="distance of the pixels from the partner's, both in [-1, 1]")


class Pix2PixSettings(TranslationSettings):
    """pix2pix (Isola 2017): a U-Net learns from pairs, and the discriminator sees both."""

    variant: Literal["pix2pix"] = "pix2pix"
    sides: ClassVar[Sides] = "paired"
    direction: Literal["a_to_b", "b_to_a"] = "a_to_b"
    objective: Objective = "nonsaturating"
    dropout: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="in the three innermost decoder blocks, while training alone: what is delivered gives one picture one answer",
    )
    weights: Pix2PixWeights = Pix2PixWeights()
