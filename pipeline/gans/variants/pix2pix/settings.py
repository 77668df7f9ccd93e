"""Settings of pix2pix."""

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.gans.game.translation_settings import TranslationSettings
from pipeline.gans.variants.settings import Objective, Sides
from pipeline.settings import Settings


class Pix2PixWeights(Settings):
    """Weights of the generator's loss."""

    adversarial: float = Field(1.0, ge=0, description="weight of the adversarial loss")
    l1: float = Field(100.0, ge=0, description="weight of L1 to the target, on values in [-1, 1]")


class Pix2PixSettings(TranslationSettings):
    """pix2pix (Isola 2017): a U-Net trained on pairs, with a conditional PatchGAN discriminator."""

    variant: Literal["pix2pix"] = "pix2pix"
    sides: ClassVar[Sides] = "paired"
    direction: Literal["a_to_b", "b_to_a"] = Field("a_to_b", description="which image of a pair is the input")
    objective: Objective = Field("nonsaturating", description="adversarial loss")
    dropout: float = Field(
        0.5, ge=0, lt=1, description="dropout in the three innermost decoder blocks, in training only"
    )
    weights: Pix2PixWeights = Field(Pix2PixWeights(), description="weights of the generator's loss")
